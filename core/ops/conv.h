// 2-D convolution, channels-last.
#pragma once

#include "core/tensor.h"
#include "kernels/include/conv.h"

namespace fovea::ops {

/// Cross-correlation as torch.nn.functional.conv2d. x [N,H,W,I], w [O,R,S,I/groups], bias [O] or
/// undefined; result [N,P,Q,O].
Tensor conv2d(const Tensor& x, const Tensor& w, const Tensor& bias, const ConvParams& params);

}  // namespace fovea::ops
