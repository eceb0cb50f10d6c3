// Classifier: what every image classifier of the zoo offers to trainers and tools.
#pragma once

#include <cstdint>
#include <string>

#include "layers/module.h"

namespace fovea {

class Classifier : public Module {
public:
    /// images [B,H,W,C] -> logits [B,classes].
    virtual Tensor forward(const Tensor& images, const Pass& pass) const = 0;

    /// Random weights, as the model's authors drew theirs; a function of the seed alone.
    virtual void initialise(std::uint64_t seed) = 0;

    /// {height, width, channels} of the images it is configured for.
    virtual Shape input_shape() const = 0;
    virtual std::int64_t classes() const = 0;

    /// Multiply-adds of one such image.
    virtual std::int64_t macs() const = 0;

    /// The checkpoint's own name of a tensor that another implementation calls `foreign`; `foreign`
    /// itself where there is nothing to translate.
    virtual std::string own_name(const std::string& foreign) const { return foreign; }
};

}  // namespace fovea
