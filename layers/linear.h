// Linear: y = x W^T + b.
#pragma once

#include "core/ops/matmul.h"
#include "layers/module.h"

namespace fovea {

/// weight [out, in], bias [out] (optional). Applies to the last axis of any tensor.
struct Linear : Module {
    Parameter weight, bias;

    Linear() = default;
    Linear(std::int64_t in, std::int64_t out, bool with_bias = true);
    void visit(Visitor& v) override;
    /// f(x W^T + b); x [.., in] -> [.., out].
    Tensor forward(const Tensor& x, Unary f = Unary::Identity) const {
        return ops::linear(x, weight, bias, f);
    }
};

}  // namespace fovea
