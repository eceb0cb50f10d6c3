#include "core/ops/reduce.h"

#include "core/ops/check.h"
#include "core/ops/shape_ops.h"
#include "core/tape.h"
#include "kernels/include/elementwise.h"
#include "kernels/include/reduce.h"

namespace fovea::ops {
namespace {

struct SumOp : Node {
    const char* name() const override { return "sum"; }

    /// y = factor * sum; kept: x's shape with 1 in the summed axes.
    Tensor forward(const Tensor& x, const Shape& kept, double factor) {
        dx_ = sink(x);
        shape_ = x.shape();
        factor_ = factor;
        Tensor y = Tensor::empty(kept, x.dtype(), x.device());
        kernels::reduce_sum(x.stream(), y.view(), x, factor, GradMode::Overwrite);
        return y;
    }

    void backward(const Tensor& dy) override {
        Tensor dx = dy.expand(shape_).clone();
        kernels::axpby(dx.stream(), dx.view(), dx, factor_, 0.0);
        dx_.add(std::move(dx));
    }

private:
    GradSink dx_;
    Shape shape_;
    double factor_ = 1.0;
};

Tensor reduce(const Tensor& x, const std::vector<int>& axes, bool keepdim, bool take_mean) {
    Shape kept = x.shape();
    std::int64_t count = 1;
    for (const int axis : axes) {
        check(axis >= -x.rank() && axis < x.rank(), "sum", "no such axis", x);
        count *= kept[axis];
        kept[axis] = 1;
    }
    const double factor = take_mean ? 1.0 / static_cast<double>(count) : 1.0;
    Tensor y = apply<SumOp>(x, kept, factor);
    if (keepdim) return y;
    unsigned dropped = 0;
    for (const int axis : axes) dropped |= 1u << (axis < 0 ? axis + x.rank() : axis);
    Shape squeezed;
    for (int i = 0; i < x.rank(); ++i)
        if (!(dropped >> i & 1u)) squeezed.push_back(x.size(i));
    return reshape(y, squeezed);
}

}  // namespace

Tensor sum(const Tensor& x, const std::vector<int>& axes, bool keepdim) {
    return reduce(x, axes, keepdim, false);
}
Tensor mean(const Tensor& x, const std::vector<int>& axes, bool keepdim) {
    return reduce(x, axes, keepdim, true);
}

}  // namespace fovea::ops
