// Mlp: the two-layer perceptron of a transformer block.
#pragma once

#include "layers/dropout.h"
#include "layers/linear.h"

namespace fovea {

/// fc2(f(fc1(x))). While a tape records, f belongs to fc2, whose backward it joins; otherwise it belongs
/// to fc1, and its input is never stored.
Tensor perceptron(const Linear& fc1, const Linear& fc2, const Tensor& x, Unary f);

/// fc2(drop(f(fc1(x)))), dropped again. x [.., width] -> [.., width].
struct Mlp : Module {
    Linear fc1, fc2;
    Dropout drop1, drop2;
    Unary activation = Unary::GeluErf;

    Mlp() = default;
    Mlp(std::int64_t width, std::int64_t hidden, Unary f, double dropout);
    void visit(Visitor& v) override;
    Tensor forward(const Tensor& x, const Pass& pass) const;
};

}  // namespace fovea
