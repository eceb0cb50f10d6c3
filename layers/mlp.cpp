#include "layers/mlp.h"

#include "core/tape.h"

namespace fovea {

Tensor perceptron(const Linear& fc1, const Linear& fc2, const Tensor& x, Unary f) {
    if (Tape::current() == nullptr) return fc2.forward(fc1.forward(x, f));
    return ops::activated_linear(fc1.forward(x), fc2.weight, fc2.bias, f);
}

Mlp::Mlp(std::int64_t width, std::int64_t hidden, Unary f, double dropout)
    : fc1(width, hidden), fc2(hidden, width), drop1(dropout), drop2(dropout), activation(f) {}

void Mlp::visit(Visitor& v) {
    v("fc1", fc1);
    v("drop1", drop1);
    v("fc2", fc2);
    v("drop2", drop2);
}

Tensor Mlp::forward(const Tensor& x, const Pass& pass) const {
    const bool drops = pass.training && drop1.rate > 0.0;
    if (!drops) return drop2.forward(perceptron(fc1, fc2, x, activation), pass);
    const Tensor hidden = drop1.forward(fc1.forward(x, activation), pass);
    return drop2.forward(fc2.forward(hidden), pass);
}

}  // namespace fovea
