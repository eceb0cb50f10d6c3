#include "core/ops/matmul.h"

#include "core/autocast.h"
#include "core/ops/check.h"
#include "core/ops/elementwise.h"
#include "core/ops/shape_ops.h"
#include "core/tape.h"
#include "kernels/include/matmul.h"
#include "kernels/include/reduce.h"

namespace fovea::ops {
namespace {

struct MatmulOp : Node {
    const char* name() const override { return "matmul"; }

    Tensor forward(const Tensor& a, const Tensor& b, bool ta, bool tb, double alpha) {
        const int r = a.rank();
        check(r == b.rank() && (r == 2 || r == 3) && (r == 2 || a.size(0) == b.size(0)), "matmul",
              "ranks 2, or 3 with equal batches", a, b);
        check(a.size(ta ? -2 : -1) == b.size(tb ? -1 : -2), "matmul", "inner extents must agree", a,
              b);
        ta_ = ta;
        tb_ = tb;
        alpha_ = alpha;
        da_ = sink(a);
        db_ = sink(b);
        a_ = save(a);
        b_ = save(b);
        Shape shape = a.shape();
        shape[-2] = a.size(ta ? -1 : -2);
        shape[-1] = b.size(tb ? -2 : -1);
        Tensor c = Tensor::empty(shape, a.dtype(), a.device());
        kernels::matmul(a.stream(), c.view(), a, b, ta, tb, alpha, GradMode::Overwrite);
        return c;
    }

    void backward(const Tensor& dc) override {
        const Tensor &a = a_.get(), &b = b_.get();
        if (da_) {
            const GradSink::Buffer da = da_.open();
            if (!ta_)  // da = dc op(b)^T
                kernels::matmul(dc.stream(), da.view, dc, b, false, !tb_, alpha_, da.mode);
            else  // a enters transposed: da = op(b) dc^T
                kernels::matmul(dc.stream(), da.view, b, dc, tb_, true, alpha_, da.mode);
        }
        if (db_) {
            const GradSink::Buffer db = db_.open();
            if (!tb_)  // db = op(a)^T dc
                kernels::matmul(dc.stream(), db.view, a, dc, !ta_, false, alpha_, db.mode);
            else
                kernels::matmul(dc.stream(), db.view, dc, a, true, ta_, alpha_, db.mode);
        }
    }

private:
    bool ta_ = false, tb_ = false;
    double alpha_ = 1.0;
    GradSink da_, db_;
    Saved a_, b_;
};

struct LinearOp : Node {
    const char* name() const override { return "linear"; }

    Tensor forward(const Tensor& x, const Tensor& w, const Tensor& bias, Unary f) {
        check(x.rank() >= 1 && w.rank() == 2 && x.size(-1) == w.size(1), name(),
              "x [.., K] and w [N, K] must agree in K", x, w);
        check(!bias.defined() || (bias.rank() == 1 && bias.size(0) == w.size(0)), name(),
              "bias must be [N]", w, bias);
        dx_ = sink(x);
        dw_ = sink(w);
        if (bias.defined()) dbias_ = sink(bias);
        if (dw_ || dbias_) x_ = save(x);
        if (dx_) w_ = save(w);
        Shape shape = x.shape();
        shape[-1] = w.size(0);
        Tensor y = Tensor::empty(shape, x.dtype(), x.device());
        kernels::linear_forward(x.stream(), as_rows(y).view(), as_rows(x), w, bias, f);
        return y;
    }

    void backward(const Tensor& dy) override {
        const Tensor dy_rows = as_rows(dy);
        if (dw_) {
            const GradSink::Buffer dw = dw_.open(), dbias = dbias_.open();
            const Tensor x = as_rows(x_.get());
            // Both fresh or both accumulating, unless one was frozen or shared: then in two calls.
            if (!dbias_ || dbias.mode == dw.mode) {
                kernels::linear_backward_weight(dy.stream(), dw.view, dbias.view, dy_rows, x,
                                                dw.mode);
            } else {
                kernels::linear_backward_weight(dy.stream(), dw.view, View{}, dy_rows, x, dw.mode);
                column_sums(dbias, dy_rows);
            }
        } else if (dbias_) {
            column_sums(dbias_.open(), dy_rows);
        }
        if (dx_) {
            const GradSink::Buffer dx = dx_.open();
            kernels::linear_backward_input(dy.stream(), input_rows(dx.view, dy_rows), dy_rows,
                                           w_.get(), dx.mode);
        }
    }

protected:
    /// The gradient [.., K] of the input, with the rows of dy [rows, N].
    View input_rows(View dx, const Tensor& dy_rows) const {
        dx.shape = {dy_rows.size(0), w_.get().size(1)};
        dx.strides = contiguous_strides(dx.shape);
        return dx;
    }

    Saved x_, w_;

private:
    static void column_sums(const GradSink::Buffer& dbias, const Tensor& dy_rows) {
        View row = dbias.view;
        row.shape = {1, dbias.view.dim(0)};
        row.strides = contiguous_strides(row.shape);
        kernels::reduce_sum(dy_rows.stream(), row, dy_rows, 1.0, dbias.mode);
    }

    GradSink dx_, dw_, dbias_;
};

/// linear(f(pre), w, bias). f(pre) wants no gradient: it goes on to pre in the product that makes it.
struct ActivatedLinearOp : LinearOp {
    const char* name() const override { return "activated_linear"; }

    Tensor forward(const Tensor& pre, const Tensor& w, const Tensor& bias, Unary f) {
        f_ = f;
        dpre_ = sink(pre);
        if (dpre_) {
            pre_ = save(pre);
            w_ = save(w);
        }
        const Tensor x = Tensor::empty(pre.shape(), pre.dtype(), pre.device());
        kernels::unary_forward(pre.stream(), x.view(), pre, f);
        return LinearOp::forward(x, w, bias, Unary::Identity);
    }

    void backward(const Tensor& dy) override {
        LinearOp::backward(dy);
        if (!dpre_) return;
        x_ = Saved();  // its memory may serve dpre
        const GradSink::Buffer dpre = dpre_.open();
        const Tensor dy_rows = as_rows(dy);
        kernels::linear_backward_preactivation(dy.stream(), input_rows(dpre.view, dy_rows), dy_rows,
                                               w_.get(), pre_.get(), f_, dpre.mode);
    }

private:
    Unary f_ = Unary::Identity;
    GradSink dpre_;
    Saved pre_;
};

}  // namespace

Tensor matmul(const Tensor& a, const Tensor& b, bool transpose_a, bool transpose_b, double alpha) {
    return apply<MatmulOp>(dense_rows(autocast::low(a)), dense_rows(autocast::low(b)), transpose_a,
                           transpose_b, alpha);
}

Tensor linear(const Tensor& x, const Tensor& w, const Tensor& bias, Unary f) {
    if (f != Unary::Identity && Tape::current() != nullptr) return unary(linear(x, w, bias), f);
    return apply<LinearOp>(contiguous(autocast::low(x)), contiguous(autocast::low_weight(w)),
                           contiguous(bias), f);
}

Tensor activated_linear(const Tensor& pre, const Tensor& w, const Tensor& bias, Unary f) {
    if (f == Unary::Identity) return linear(pre, w, bias);
    return apply<ActivatedLinearOp>(contiguous(autocast::low(pre)),
                                    contiguous(autocast::low_weight(w)), contiguous(bias), f);
}

}  // namespace fovea::ops
