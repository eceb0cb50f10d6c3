#include "core/ops/softmax.h"

#include "core/ops/check.h"
#include "core/ops/shape_ops.h"
#include "core/tape.h"
#include "kernels/include/softmax.h"

namespace fovea::ops {
namespace {

// Both forms save their output: dx is a function of dy and y alone.
template <bool Log>
struct SoftmaxOp : Node {
    const char* name() const override { return Log ? "log_softmax" : "softmax"; }

    Tensor forward(const Tensor& x) {
        check(x.rank() >= 1, name(), "needs an axis", x);
        dx_ = sink(x);
        Tensor y = Tensor::empty(x.shape(), x.dtype(), x.device());
        if constexpr (Log)
            kernels::log_softmax_forward(x.stream(), as_rows(y).view(), as_rows(x));
        else
            kernels::softmax_forward(x.stream(), as_rows(y).view(), as_rows(x));
        // A handle of its own: the output's gradient slot must not be kept alive by its own node.
        y_ = save(y.reshape(y.shape()));
        return y;
    }

    void backward(const Tensor& dy) override {
        const Tensor& y = y_.get();
        Tensor dx = Tensor::empty(y.shape(), y.dtype(), y.device());
        if constexpr (Log)
            kernels::log_softmax_backward(dy.stream(), as_rows(dx).view(), as_rows(dy), as_rows(y));
        else
            kernels::softmax_backward(dy.stream(), as_rows(dx).view(), as_rows(dy), as_rows(y));
        dx_.add(std::move(dx));
    }

private:
    GradSink dx_;
    Saved y_;
};

}  // namespace

Tensor softmax(const Tensor& x) { return apply<SoftmaxOp<false>>(contiguous(x)); }
Tensor log_softmax(const Tensor& x) { return apply<SoftmaxOp<true>>(contiguous(x)); }

}  // namespace fovea::ops
