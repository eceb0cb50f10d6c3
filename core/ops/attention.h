// Scaled dot-product attention (Vaswani et al. 2017) without a stored probability matrix.
#pragma once

#include "core/tensor.h"

namespace fovea::ops {

/// softmax(scale q k^T) v for every head. q [B,Tq,H,D], k, v [B,Tk,H,D] in any strides
/// (copied first where D is not dense); result [B,Tq,H,D].
Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, double scale);

/// The same on a packed projection qkv [B,T,3*H*D] (rows q, then k, then v, heads inside each, as timm
/// packs them); result [B,T,H*D].
Tensor attention_packed(const Tensor& qkv, std::int64_t heads, double scale);

/// The probabilities [B,H,Tq,Tk] themselves, for looking at; not differentiable.
Tensor attention_probabilities(const Tensor& q, const Tensor& k, double scale);

}  // namespace fovea::ops
