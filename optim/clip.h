// Gradient clipping by global norm.
#pragma once

#include <algorithm>

namespace fovea {

/// Factor for all gradients, as torch.nn.utils.clip_grad_norm_: min(1, max_norm / (norm + 1e-6));
/// 1 when max_norm is 0 (no clipping).
inline double clip_factor(double norm, double max_norm) {
    return max_norm > 0.0 ? std::min(1.0, max_norm / (norm + 1e-6)) : 1.0;
}

}  // namespace fovea
