#include "core/ops/pool.h"

#include "core/ops/check.h"
#include "core/ops/shape_ops.h"
#include "core/tape.h"

namespace fovea::ops {
namespace {

Shape pooled_shape(const Tensor& x, const PoolParams& params, const char* op) {
    check(x.rank() == 4, op, "x [N,H,W,C]", x);
    for (int axis = 0; axis < 2; ++axis) {
        check(params.kernel[axis] > 0 && params.stride[axis] > 0, op,
              "kernel and stride must be positive", x);
        // As in PyTorch: a window must not lie in the padding alone.
        check(params.padding[axis] >= 0 && 2 * params.padding[axis] <= params.kernel[axis], op,
              "padding must be between 0 and half of the kernel", x);
    }
    const Shape y = {x.size(0), params.out(0, x.size(1)), params.out(1, x.size(2)), x.size(3)};
    check(y[1] > 0 && y[2] > 0, op, "the input is smaller than the window", x);
    return y;
}

struct MaxPoolOp : Node {
    const char* name() const override { return "max_pool2d"; }

    Tensor forward(const Tensor& x, const PoolParams& params) {
        params_ = params;
        dx_ = sink(x);
        shape_ = x.shape();
        const Shape shape = pooled_shape(x, params, "max_pool2d");
        Tensor y = Tensor::empty(shape, x.dtype(), x.device());
        index_ = Tensor::empty(shape, DType::I32, x.device());
        kernels::max_pool_forward(x.stream(), y.view(), index_.view(), x, params);
        return y;
    }

    void backward(const Tensor& dy) override {
        Tensor dx = Tensor::empty(shape_, dy.dtype(), dy.device());
        kernels::max_pool_backward(dy.stream(), dx.view(), dy, index_, params_);
        dx_.add(std::move(dx));
    }

private:
    PoolParams params_;
    GradSink dx_;
    Shape shape_;
    Tensor index_;
};

struct AvgPoolOp : Node {
    const char* name() const override { return "avg_pool2d"; }

    Tensor forward(const Tensor& x, const PoolParams& params) {
        params_ = params;
        dx_ = sink(x);
        shape_ = x.shape();
        Tensor y = Tensor::empty(pooled_shape(x, params, "avg_pool2d"), x.dtype(), x.device());
        kernels::avg_pool_forward(x.stream(), y.view(), x, params);
        return y;
    }

    void backward(const Tensor& dy) override {
        Tensor dx = Tensor::empty(shape_, dy.dtype(), dy.device());
        kernels::avg_pool_backward(dy.stream(), dx.view(), dy, params_);
        dx_.add(std::move(dx));
    }

private:
    PoolParams params_;
    GradSink dx_;
    Shape shape_;
};

struct AdaptiveAvgPoolOp : Node {
    const char* name() const override { return "adaptive_avg_pool2d"; }

    Tensor forward(const Tensor& x, std::int64_t rows, std::int64_t columns) {
        check(x.rank() == 4 && rows > 0 && columns > 0, "adaptive_avg_pool2d", "x [N,H,W,C]", x);
        dx_ = sink(x);
        shape_ = x.shape();
        Tensor y = Tensor::empty({x.size(0), rows, columns, x.size(3)}, x.dtype(), x.device());
        kernels::adaptive_avg_pool_forward(x.stream(), y.view(), x);
        return y;
    }

    void backward(const Tensor& dy) override {
        Tensor dx = Tensor::empty(shape_, dy.dtype(), dy.device());
        kernels::adaptive_avg_pool_backward(dy.stream(), dx.view(), dy);
        dx_.add(std::move(dx));
    }

private:
    GradSink dx_;
    Shape shape_;
};

struct InterpolateOp : Node {
    const char* name() const override { return "interpolate"; }

    Tensor forward(const Tensor& x, std::int64_t rows, std::int64_t columns,
                   const ResizeParams& params) {
        check(x.rank() == 4 && rows > 0 && columns > 0, "interpolate", "x [N,H,W,C]", x);
        params_ = params;
        dx_ = sink(x);
        shape_ = x.shape();
        Tensor y = Tensor::empty({x.size(0), rows, columns, x.size(3)}, x.dtype(), x.device());
        kernels::resize_forward(x.stream(), y.view(), x, params);
        return y;
    }

    void backward(const Tensor& dy) override {
        Tensor dx = Tensor::empty(shape_, dy.dtype(), dy.device());
        kernels::resize_backward(dy.stream(), dx.view(), dy, params_);
        dx_.add(std::move(dx));
    }

private:
    ResizeParams params_;
    GradSink dx_;
    Shape shape_;
};

}  // namespace

Tensor max_pool2d(const Tensor& x, const PoolParams& params) {
    return apply<MaxPoolOp>(contiguous(x), params);
}
Tensor avg_pool2d(const Tensor& x, const PoolParams& params) {
    return apply<AvgPoolOp>(contiguous(x), params);
}
Tensor adaptive_avg_pool2d(const Tensor& x, std::int64_t rows, std::int64_t columns) {
    return apply<AdaptiveAvgPoolOp>(contiguous(x), rows, columns);
}
Tensor interpolate(const Tensor& x, std::int64_t rows, std::int64_t columns,
                   const ResizeParams& params) {
    return apply<InterpolateOp>(contiguous(x), rows, columns, params);
}

}  // namespace fovea::ops
