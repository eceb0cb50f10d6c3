#include "core/ops/elementwise.h"

#include "core/autocast.h"
#include "core/ops/check.h"
#include "core/ops/shape_ops.h"
#include "core/tape.h"
#include "kernels/include/reduce.h"

namespace fovea::ops {
namespace {

Shape broadcast_shape(const Tensor& a, const Tensor& b) {
    const int rank = std::max(a.rank(), b.rank());
    Shape out;
    for (int i = 0; i < rank; ++i) {
        const int ia = i - (rank - a.rank()), ib = i - (rank - b.rank());
        const std::int64_t da = ia < 0 ? 1 : a.size(ia), db = ib < 0 ? 1 : b.size(ib);
        check(da == db || da == 1 || db == 1, "binary", "shapes do not broadcast", a, b);
        out.push_back(da == 1 ? db : da);
    }
    return out;
}

// Sums g over the axes along which an input of shape `to` was repeated.
Tensor unbroadcast(const Tensor& g, const Shape& to) {
    if (g.shape() == to) return g;
    Shape padded;  // `to` with leading ones
    for (int i = 0; i < g.rank() - to.rank; ++i) padded.push_back(1);
    for (const std::int64_t extent : to) padded.push_back(extent);
    const Tensor sum = Tensor::empty(padded, g.dtype(), g.device());
    kernels::reduce_sum(g.stream(), sum.view(), g, 1.0, GradMode::Overwrite);
    return sum.reshape(to);
}

Tensor compute(const Tensor& a, const Tensor& b, Binary op) {
    const Shape shape = broadcast_shape(a, b);
    Tensor y = Tensor::empty(shape, a.dtype(), a.device());
    kernels::binary(a.stream(), y.view(), a.expand(shape), b.expand(shape), op);
    return y;
}

struct BinaryOp : Node {
    const char* name() const override { return "binary"; }

    Tensor forward(const Tensor& a, const Tensor& b, Binary op) {
        check(a.dtype() == b.dtype() && a.device() == b.device(), "binary",
              "dtypes or devices differ", a, b);
        op_ = op;
        da_ = sink(a);
        db_ = sink(b);
        shape_a_ = a.shape();
        shape_b_ = b.shape();
        if (op == Binary::Mul || op == Binary::Div) {
            a_ = save(a);
            b_ = save(b);
        }
        return compute(a, b, op);
    }

    void backward(const Tensor& dy) override {
        if (da_) da_.add(unbroadcast(gradient_a(dy), shape_a_));
        if (db_) db_.add(unbroadcast(gradient_b(dy), shape_b_));
    }

private:
    Tensor gradient_a(const Tensor& dy) const {
        switch (op_) {
            case Binary::Mul: return compute(dy, b_.get(), Binary::Mul);
            case Binary::Div: return compute(dy, b_.get(), Binary::Div);
            default: return dy;
        }
    }
    Tensor gradient_b(const Tensor& dy) const {
        switch (op_) {
            case Binary::Sub: return scale(dy, -1.0);
            case Binary::Mul: return compute(dy, a_.get(), Binary::Mul);
            case Binary::Div: {  // -dy a / b^2
                const Tensor quotient = compute(a_.get(), b_.get(), Binary::Div);
                return scale(compute(compute(dy, quotient, Binary::Mul), b_.get(), Binary::Div),
                             -1.0);
            }
            default: return dy;
        }
    }

    Binary op_ = Binary::Add;
    GradSink da_, db_;
    Shape shape_a_, shape_b_;
    Saved a_, b_;
};

struct ScaleOp : Node {
    const char* name() const override { return "scale"; }

    Tensor forward(const Tensor& x, double alpha) {
        dx_ = sink(x);
        alpha_ = alpha;
        return scaled(x);
    }

    void backward(const Tensor& dy) override { dx_.add(scaled(dy)); }

private:
    Tensor scaled(const Tensor& x) const {
        Tensor y = Tensor::empty(x.shape(), x.dtype(), x.device());
        kernels::axpby(x.stream(), y.view(), x.contiguous(), alpha_, 0.0);
        return y;
    }

    GradSink dx_;
    double alpha_ = 1.0;
};

struct UnaryOp : Node {
    const char* name() const override { return "unary"; }

    Tensor forward(const Tensor& x, Unary f) {
        f_ = f;
        dx_ = sink(x);
        x_ = save(x);
        Tensor y = Tensor::empty(x.shape(), x.dtype(), x.device());
        kernels::unary_forward(x.stream(), y.view(), x, f);
        return y;
    }

    void backward(const Tensor& dy) override {
        const GradSink::Buffer dx = dx_.open();
        kernels::unary_backward(dy.stream(), dx.view, dy, x_.get(), f_, dx.mode);
    }

private:
    Unary f_ = Unary::Identity;
    GradSink dx_;
    Saved x_;
};

}  // namespace

Tensor binary(const Tensor& a, const Tensor& b, Binary op) {
    return apply<BinaryOp>(autocast::follow(a, b), autocast::follow(b, a), op);
}
Tensor scale(const Tensor& x, double alpha) { return apply<ScaleOp>(x, alpha); }
Tensor unary(const Tensor& x, Unary f) {
    return f == Unary::Identity ? x : apply<UnaryOp>(contiguous(x), f);
}

}  // namespace fovea::ops
