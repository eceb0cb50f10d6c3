// Elementwise operations with numpy broadcasting, and activations.
#pragma once

#include "core/tensor.h"
#include "kernels/include/elementwise.h"

namespace fovea::ops {

/// a op b, broadcast to a common shape; gradients are summed back to each input's shape.
Tensor binary(const Tensor& a, const Tensor& b, Binary op);
inline Tensor add(const Tensor& a, const Tensor& b) { return binary(a, b, Binary::Add); }
inline Tensor sub(const Tensor& a, const Tensor& b) { return binary(a, b, Binary::Sub); }
inline Tensor mul(const Tensor& a, const Tensor& b) { return binary(a, b, Binary::Mul); }
inline Tensor div(const Tensor& a, const Tensor& b) { return binary(a, b, Binary::Div); }

/// alpha x.
Tensor scale(const Tensor& x, double alpha);

/// f(x) elementwise; Identity returns x itself.
Tensor unary(const Tensor& x, Unary f);
inline Tensor relu(const Tensor& x) { return unary(x, Unary::Relu); }

}  // namespace fovea::ops
