// Classifier: what every image classifier of the zoo offers to trainers and tools.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

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
    /// itself where there is nothing to translate, empty for what this model computes itself.
    virtual std::string own_name(const std::string& foreign) const { return foreign; }
    /// The same for all names of a file, which together can tell more than each alone.
    virtual std::vector<std::string> own_names(const std::vector<std::string>& foreign) const {
        std::vector<std::string> own;
        for (const std::string& name : foreign) own.push_back(own_name(name));
        return own;
    }

    /// `value` of a checkpoint for the tensor called `name` (own name), made to fit this model where that
    /// can be done: position embeddings of another image size are resampled. Else `value` itself.
    virtual Tensor fitted(const std::string& /*name*/, const Tensor& value) const { return value; }
};

}  // namespace fovea
