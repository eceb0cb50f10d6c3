// Dropout and DropPath: the random ops of a model, each with a site number from its path.
#pragma once

#include "core/ops/dropout.h"
#include "layers/module.h"

namespace fovea {

/// Zeroes elements with probability `rate` in training.
struct Dropout : Module {
    double rate = 0.0;
    std::uint32_t site = 0;

    Dropout() = default;
    explicit Dropout(double drop_rate) : rate(drop_rate) {}
    void visit(Visitor& v) override { v.site("mask", site); }
    Tensor forward(const Tensor& x, const Pass& pass) const {
        return pass.training ? ops::dropout(x, rate, pass.random(site)) : x;
    }
};

/// residual + branch, the branch dropped per sample with probability `rate` in training.
struct DropPath : Module {
    double rate = 0.0;
    std::uint32_t site = 0;

    DropPath() = default;
    explicit DropPath(double drop_rate) : rate(drop_rate) {}
    void visit(Visitor& v) override { v.site("mask", site); }
    Tensor add(const Tensor& residual, const Tensor& branch, const Pass& pass) const {
        return ops::residual_drop_path(residual, branch, pass.training ? rate : 0.0,
                                       pass.random(site));
    }
};

}  // namespace fovea
