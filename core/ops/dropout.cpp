#include "core/ops/dropout.h"

#include "core/autocast.h"
#include "core/ops/check.h"
#include "core/ops/elementwise.h"
#include "core/ops/shape_ops.h"
#include "core/tape.h"
#include "kernels/include/dropout.h"

namespace fovea::ops {
namespace {

struct DropoutOp : Node {
    const char* name() const override { return "dropout"; }

    Tensor forward(const Tensor& x, double p, const RandomSite& site) {
        check(p >= 0.0 && p < 1.0, "dropout", "p must be in [0, 1)", x);
        p_ = p;
        site_ = site;
        dx_ = sink(x);
        return masked(x);
    }

    void backward(const Tensor& dy) override { dx_.add(masked(dy)); }

private:
    Tensor masked(const Tensor& x) const {
        Tensor y = Tensor::empty(x.shape(), x.dtype(), x.device());
        kernels::dropout(x.stream(), y.view(), x, p_, site_);
        return y;
    }

    double p_ = 0.0;
    RandomSite site_;
    GradSink dx_;
};

struct ResidualDropPathOp : Node {
    const char* name() const override { return "residual_drop_path"; }

    Tensor forward(const Tensor& residual, const Tensor& branch, double p, const RandomSite& site) {
        check(residual.shape() == branch.shape(), "residual_drop_path", "shapes must agree",
              residual, branch);
        check(p >= 0.0 && p < 1.0, "residual_drop_path", "p must be in [0, 1)", branch);
        p_ = p;
        site_ = site;
        dresidual_ = sink(residual);
        dbranch_ = sink(branch);
        Tensor y = Tensor::empty(branch.shape(), branch.dtype(), branch.device());
        kernels::drop_path(branch.stream(), y.view(), branch, residual, p, site);
        return y;
    }

    void backward(const Tensor& dy) override {
        if (dbranch_) {
            Tensor dbranch = Tensor::empty(dy.shape(), dy.dtype(), dy.device());
            kernels::drop_path(dy.stream(), dbranch.view(), dy, CView{}, p_, site_);
            dbranch_.add(std::move(dbranch));
        }
        dresidual_.add(dy);
    }

private:
    double p_ = 0.0;
    RandomSite site_;
    GradSink dresidual_, dbranch_;
};

}  // namespace

Tensor dropout(const Tensor& x, double p, const RandomSite& site) {
    return p == 0.0 ? x : apply<DropoutOp>(contiguous(x), p, site);
}

Tensor residual_drop_path(const Tensor& residual, const Tensor& branch, double p,
                          const RandomSite& site) {
    if (p == 0.0) return add(residual, branch);
    return apply<ResidualDropPathOp>(contiguous(autocast::follow(residual, branch)),
                                     contiguous(autocast::follow(branch, residual)), p, site);
}

}  // namespace fovea::ops
