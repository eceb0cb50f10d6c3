// Elementwise kernels: fill, copy, unary functions, broadcasting binary functions.
#pragma once

#include "kernels/include/kernel.h"

namespace fovea {

/// GeluErf: x Phi(x) (Hendrycks and Gimpel 2016); GeluTanh: its tanh approximation;
/// QuickGelu: x sigmoid(1.702 x); Silu: x sigmoid(x). `Identity` lets fused kernels skip.
enum class Unary : unsigned char {
    Identity,
    Relu,
    GeluErf,
    GeluTanh,
    QuickGelu,
    Silu,
    Sigmoid,
    Tanh,
    Exp,
    Log,
    Sqrt,
    Square
};

enum class Binary : unsigned char { Add, Sub, Mul, Div };

namespace kernels {

/// y[i] = value. Any dtype.
KERNEL(fill, View y, double value);

/// y = x, elementwise with conversion between dtypes; both views may be strided, x may broadcast
/// (stride 0). Same shape.
KERNEL(copy, View y, CView x);

/// y = f(x). y may be x.
KERNEL(unary_forward, View y, CView x, Unary f);

/// dx (+)= dy * f'(x), from f's input x. dx may be dy.
KERNEL(unary_backward, View dx, CView dy, CView x, Unary f, GradMode mode);

/// y = a op b; a and b have y's shape and may broadcast (stride 0) or be strided; y is contiguous.
KERNEL(binary, View y, CView a, CView b, Binary op);

/// y = alpha x + beta y. beta = 0 does not read y.
KERNEL(axpby, View y, CView x, double alpha, double beta);

}  // namespace kernels
}  // namespace fovea
