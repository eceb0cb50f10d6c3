// ParamStore: all parameters of a model in one flat arena, and their gradients in another.
//
// Built last (after freezing and head replacement): it moves the parameters' values into the arena, so
// that one launch updates them all and one pass clears or measures all gradients.
#pragma once

#include <string>
#include <vector>

#include "kernels/include/optimizer.h"
#include "layers/module.h"

namespace fovea {

struct ParamStoreOptions {
    double weight_decay = 0.0;
    /// timm's rule: no decay for tensors of at most one axis (biases, norms) and those marked no_decay.
    bool decay_all = false;
};

class ParamStore {
public:
    explicit ParamStore(Module& model, const ParamStoreOptions& options = {});

    const Tensor& values() const { return values_; }        ///< [n], parameters one after another
    const Tensor& gradients() const { return gradients_; }  ///< [n], backward adds into it
    /// The table of the parameters' slices, in the device's memory.
    Segments segments() const;
    const std::vector<NamedParameter>& parameters() const { return parameters_; }
    /// The table's entry of parameter i, to change lr_scale, weight_decay or frozen.
    Segment& segment(std::size_t i) {
        device_segments_ = Tensor();
        return segments_[i];
    }

    void zero_gradients() const { gradients_.fill(0.0); }
    /// L2 norm of all gradients, accumulated in double.
    double gradient_norm() const;

    /// Keeps a copy of all values in a lower precision, which ops under autocast read and optimizers
    /// write together with the values.
    void keep_low_copy(DType dtype);
    const Tensor& low_copy() const { return low_; }  ///< [n], or undefined
    /// After a step that wrote both.
    void low_copy_is_current() const;

    /// A further arena of the same length, zeroed: moments, averages.
    Tensor new_arena() const;
    /// The slice of `arena` that belongs to parameter i, in the parameter's shape.
    Tensor slice_of(const Tensor& arena, std::size_t i) const;

private:
    std::vector<NamedParameter> parameters_;
    std::vector<Segment> segments_;
    mutable Tensor device_segments_;  // their bytes on a GPU; undefined: to be copied again
    Tensor values_, gradients_, low_;
    std::vector<Tensor> low_slices_;
};

}  // namespace fovea
