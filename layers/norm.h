// LayerNorm and BatchNorm layers.
#pragma once

#include "layers/module.h"

namespace fovea {

/// Normalises the last axis: weight, bias [channels].
struct LayerNorm : Module {
    Parameter weight, bias;
    double eps = 1e-5;

    LayerNorm() = default;
    explicit LayerNorm(std::int64_t channels, double eps = 1e-5);
    void visit(Visitor& v) override;
    Tensor forward(const Tensor& x) const;
};

/// Normalises every channel over all other axes; x [.., channels]. Buffers as PyTorch's:
/// running_mean, running_var [channels], num_batches_tracked [] (I64).
struct BatchNorm2d : Module {
    Parameter weight, bias;
    Buffer running_mean, running_var, num_batches_tracked;
    double eps = 1e-5, momentum = 0.1;

    BatchNorm2d() = default;
    explicit BatchNorm2d(std::int64_t channels, double eps = 1e-5, double momentum = 0.1);
    void visit(Visitor& v) override;
    Tensor forward(const Tensor& x, const Pass& pass) const;
};

}  // namespace fovea
