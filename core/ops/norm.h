// LayerNorm and BatchNorm on channels-last tensors.
#pragma once

#include "core/tensor.h"

namespace fovea::ops {

/// (x - mean) / sqrt(var + eps) * w + b over the last axis (Ba et al. 2016). w, b [C] or undefined.
Tensor layer_norm(const Tensor& x, const Tensor& w, const Tensor& b, double eps);

/// A residual connection and the layer norm behind it, in one pass over memory: sum = branch + trunk,
/// y = layer_norm(sum). Both may be used further, and both carry gradients.
struct SumAndNorm {
    Tensor sum, y;
};
SumAndNorm add_layer_norm(const Tensor& branch, const Tensor& trunk, const Tensor& w,
                          const Tensor& b, double eps);

/// Per-channel normalisation of x [.., C] (Ioffe and Szegedy 2015). Training uses the batch's
/// statistics and moves the running ones (unbiased variance) by `momentum`; otherwise the running
/// ones are used as constants.
Tensor batch_norm(const Tensor& x, const Tensor& w, const Tensor& b, const Tensor& running_mean,
                  const Tensor& running_var, bool training, double eps, double momentum);

}  // namespace fovea::ops
