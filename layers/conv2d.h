// Conv2d: two-dimensional convolution, channels-last.
#pragma once

#include "core/ops/conv.h"
#include "layers/module.h"

namespace fovea {

/// weight [out, kernel, kernel, in/groups] in memory ([out, in/groups, kernel, kernel] in checkpoints),
/// bias [out] (optional). x [N,H,W,in] -> [N,P,Q,out].
struct Conv2d : Module {
    Parameter weight, bias;
    ConvParams params;

    Conv2d() = default;
    Conv2d(std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t stride,
           std::int64_t padding, std::int64_t groups = 1, bool with_bias = true);
    void visit(Visitor& v) override;
    Tensor forward(const Tensor& x) const { return ops::conv2d(x, weight, bias, params); }
};

}  // namespace fovea
