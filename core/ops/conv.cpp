#include "core/ops/conv.h"

#include "core/autocast.h"
#include "core/ops/check.h"
#include "core/ops/shape_ops.h"
#include "core/tape.h"
#include "kernels/include/reduce.h"

namespace fovea::ops {
namespace {

struct Conv2dOp : Node {
    const char* name() const override { return "conv2d"; }

    Tensor forward(const Tensor& x, const Tensor& w, const Tensor& bias, const ConvParams& params) {
        check(x.rank() == 4 && w.rank() == 4, "conv2d", "x [N,H,W,C] and w [O,R,S,C/groups]", x, w);
        check(params.groups > 0 && x.size(3) == w.size(3) * params.groups &&
                  w.size(0) % params.groups == 0,
              "conv2d", "channels of x and w do not fit the groups", x, w);
        check(!bias.defined() || bias.numel() == w.size(0), "conv2d", "bias must be [O]", w, bias);
        for (int axis = 0; axis < 2; ++axis)
            check(params.stride[axis] > 0 && params.padding[axis] >= 0 && params.dilation[axis] > 0,
                  "conv2d", "stride and dilation must be positive, padding not negative", x, w);
        const std::int64_t rows = params.out(0, x.size(1), w.size(1));
        const std::int64_t columns = params.out(1, x.size(2), w.size(2));
        check(rows > 0 && columns > 0, "conv2d", "the input is smaller than the kernel", x, w);
        params_ = params;
        dx_ = sink(x);
        dw_ = sink(w);
        if (bias.defined()) dbias_ = sink(bias);
        shape_ = x.shape();
        if (dw_ || dbias_) x_ = save(x);
        if (dx_) w_ = save(w);
        Tensor y = Tensor::empty({x.size(0), rows, columns, w.size(0)}, x.dtype(), x.device());
        kernels::conv2d_forward(x.stream(), y.view(), x, w, bias, params);
        return y;
    }

    void backward(const Tensor& dy) override {
        if (dw_) {
            const GradSink::Buffer dw = dw_.open();
            kernels::conv2d_backward_weight(dy.stream(), dw.view, View{}, dy, x_.get(), params_,
                                            dw.mode);
        }
        if (dbias_) {
            const GradSink::Buffer dbias = dbias_.open();
            View row = dbias.view;
            row.shape = {1, row.numel()};
            row.strides = contiguous_strides(row.shape);
            kernels::reduce_sum(dy.stream(), row, as_rows(dy), 1.0, dbias.mode);
        }
        if (dx_) {
            Tensor dx = Tensor::empty(shape_, dy.dtype(), dy.device());
            kernels::conv2d_backward_input(dy.stream(), dx.view(), dy, w_.get(), params_);
            dx_.add(std::move(dx));
        }
    }

private:
    ConvParams params_;
    GradSink dx_, dw_, dbias_;
    Shape shape_;
    Saved x_, w_;
};

}  // namespace

Tensor conv2d(const Tensor& x, const Tensor& w, const Tensor& bias, const ConvParams& params) {
    return apply<Conv2dOp>(contiguous(autocast::low(x)), contiguous(autocast::low_weight(w)),
                           contiguous(bias), params);
}

}  // namespace fovea::ops
