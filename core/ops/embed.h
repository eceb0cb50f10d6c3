// The tokens that a transformer begins with.
#pragma once

#include "core/tensor.h"

namespace fovea::ops {

/// concat(prefix, patches) + position, [B,P+N,C]: the tokens `prefix` ([P,C] or [1,P,C]: class token,
/// distillation token) come before the patches [B,N,C] of every sample, then `position` ([P+N,C] or
/// [1,P+N,C]) is added (Dosovitskiy et al. 2021). prefix and position may be undefined. The result has
/// the patches' dtype; under autocast prefix and position may be F32 beside it. Error B01: shapes.
Tensor embed_tokens(const Tensor& patches, const Tensor& prefix, const Tensor& position);

}  // namespace fovea::ops
