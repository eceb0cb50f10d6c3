// Gradient clipping, by a norm of all gradients or by value.
#pragma once

#include <algorithm>

#include "optim/param_store.h"

namespace fovea {

/// Factor for all gradients, as torch.nn.utils.clip_grad_norm_: min(1, max_norm / (norm + 1e-6));
/// 1 when max_norm is 0 (no clipping).
inline double clip_factor(double norm, double max_norm) {
    return max_norm > 0.0 ? std::min(1.0, max_norm / (norm + 1e-6)) : 1.0;
}

/// (sum |g|^p)^(1/p) over all gradients, in double; p > 0, infinity gives the largest |g|. p = 2 is
/// measured where the gradients are, any other p on the host. Error C03: p is not positive.
double gradient_norm(const ParamStore& store, double p);

/// Limits every gradient to [-limit, limit], as torch.nn.utils.clip_grad_value_.
void clip_gradient_values(const ParamStore& store, double limit);

}  // namespace fovea
