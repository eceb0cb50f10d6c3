// Matrix products. Row-major; the last two axes are the matrix, an optional leading one the batch.
#pragma once

#include "kernels/include/elementwise.h"

namespace fovea::kernels {

/// c (+)= alpha op(a) op(b), op = transpose of the last two axes where asked for.
/// c [B,M,N] or [M,N]; a [B,M,K] (or [B,K,M]), b [B,K,N] (or [B,N,K]). Rows may be strided, the last
/// axis is dense.
KERNEL(matmul, View c, CView a, CView b, bool transpose_a, bool transpose_b, double alpha,
       GradMode mode);

/// y [M,N] = f(x [M,K] w[N,K]^T + bias [N]). bias may be empty.
KERNEL(linear_forward, View y, CView x, CView w, CView bias, Unary f);

/// dx [M,K] (+)= dy [M,N] w [N,K].
KERNEL(linear_backward_input, View dx, CView dy, CView w, GradMode mode);

/// dpre [M,K] (+)= (dy [M,N] w [N,K]) * f'(pre [M,K]): the gradient of the input of a layer that was
/// given f(pre), taken back through f.
KERNEL(linear_backward_preactivation, View dpre, CView dy, CView w, CView pre, Unary f,
       GradMode mode);

/// dw [N,K] (+)= dy^T x, dbias [N] (+)= column sums of dy. dbias may be empty.
KERNEL(linear_backward_weight, View dw, View dbias, CView dy, CView x, GradMode mode);

}  // namespace fovea::kernels
