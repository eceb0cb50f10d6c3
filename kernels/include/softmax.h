// Softmax and log-softmax over the last axis.
#pragma once

#include "kernels/include/kernel.h"

namespace fovea::kernels {

/// y = exp(x - max) / sum, per row of [rows, C]. A row of -inf only gives zeros.
KERNEL(softmax_forward, View y, CView x);
/// dx = y * (dy - sum(dy * y)).
KERNEL(softmax_backward, View dx, CView dy, CView y);

/// y = x - log(sum(exp(x))), per row.
KERNEL(log_softmax_forward, View y, CView x);
/// dx = dy - exp(y) * sum(dy).
KERNEL(log_softmax_backward, View dx, CView dy, CView y);

}  // namespace fovea::kernels
