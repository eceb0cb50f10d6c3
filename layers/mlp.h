// Mlp: the two-layer perceptron of a transformer block.
#pragma once

#include "layers/dropout.h"
#include "layers/linear.h"

namespace fovea {

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
