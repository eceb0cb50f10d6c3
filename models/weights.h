// Weights of a model as named tensors: out to safetensors files, in from ours and from others'.
#pragma once

#include <string>
#include <vector>

#include "core/serialize/safetensors.h"
#include "models/classifier.h"

namespace fovea {

/// A tensor of a model's state in checkpoint layout, alive as long as `value`.
struct StateTensor {
    std::string name;
    Tensor value;  ///< dense, on the host

    NamedTensor named() const;
};

/// All parameters and buffers in visiting order, convolutions as [O,I,R,S].
std::vector<StateTensor> state_of(Module& model);

/// Puts `value` (checkpoint layout; any float dtype) into the parameter or buffer called `name`.
/// False if there is none of that name; Error K03 if the shapes differ.
bool set_state(Module& model, const std::string& name, const Tensor& value);

/// Loads every tensor of the model from a safetensors file. Names of other implementations are
/// translated by Classifier::own_name; the prefixes "module." and "model." are taken off.
/// num_batches_tracked may be missing. Errors: those of safetensors.h; K03 a wrong shape; K04 missing
/// or unknown tensors, listed briefly; N02 a tensor that is not finite.
void load_weights(Classifier& model, const std::string& path);

/// Writes the model's state. Errors: those of safetensors.h; N02.
void save_weights(Module& model, const std::string& path, const Metadata& metadata = {});

}  // namespace fovea
