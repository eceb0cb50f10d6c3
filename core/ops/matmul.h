// Matrix products and the fully connected layer.
#pragma once

#include "core/tensor.h"
#include "kernels/include/elementwise.h"

namespace fovea::ops {

/// alpha op(a) op(b) on the last two axes; a and b of rank 2 or both of rank 3 with the same batch.
Tensor matmul(const Tensor& a, const Tensor& b, bool transpose_a = false, bool transpose_b = false,
              double alpha = 1.0);

/// f(x w^T + bias). x [.., K], w [N,K], bias [N] or undefined; result [.., N]. While a tape records, f
/// is an op of its own, since its backward needs its input.
Tensor linear(const Tensor& x, const Tensor& w, const Tensor& bias, Unary f = Unary::Identity);

/// f(pre) w^T + bias: the second layer of a perceptron, from what the first one gave. pre [.., K], w
/// [N,K], bias [N] or undefined; result [.., N]. One op, so that backward multiplies by f' while the
/// product that gives the gradient of f(pre) still has it at hand.
Tensor activated_linear(const Tensor& pre, const Tensor& w, const Tensor& bias, Unary f);

}  // namespace fovea::ops
