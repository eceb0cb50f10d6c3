// Classifier: what every image classifier of the zoo offers to trainers and tools.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "layers/module.h"
#include "models/weight_names.h"

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

    /// Names of the layers whose outputs are the classes: new for every other set of classes.
    virtual std::vector<std::string> head_names() const = 0;

    /// Name of the module whose output, a map or its tokens, explains a prediction best: the last one of
    /// which every place reaches the logits. Empty for a model without maps.
    virtual std::string explain_layer() const { return ""; }

    /// Whose names its tensors can have, its own first. Empty for networks that are Fovea's alone.
    virtual std::vector<NameStyle> name_styles() const { return {}; }

    /// `value` of a checkpoint for the tensor called `name` (own name), made to fit this model where that
    /// can be done: position embeddings of another image size are resampled. Else `value` itself.
    virtual Tensor fitted(const std::string& /*name*/, const Tensor& value) const { return value; }
};

}  // namespace fovea
