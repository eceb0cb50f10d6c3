// Attention within (shifted) windows of a map of tokens (Liu et al., "Swin Transformer", ICCV 2021).
#pragma once

#include "core/tensor.h"
#include "kernels/include/window_attention.h"

namespace fovea::ops {

/// For every window and head softmax(scale q k^T + bias + mask) v, without copies of the windows: see
/// kernels/include/window_attention.h. qkv [B,H,W,3*C] (q, k, v; heads inside each), table
/// [(2 rows - 1)(2 columns - 1), heads] or undefined; result [B,H,W,C], each token at its own place.
/// H and W are multiples of the window.
Tensor window_attention(const Tensor& qkv, const Tensor& table, const WindowParams& params);

}  // namespace fovea::ops
