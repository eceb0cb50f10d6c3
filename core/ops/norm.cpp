#include "core/ops/norm.h"

#include "core/autocast.h"
#include "core/ops/check.h"
#include "core/ops/shape_ops.h"
#include "core/tape.h"
#include "kernels/include/elementwise.h"
#include "kernels/include/norm.h"

namespace fovea::ops {
namespace {

// Opens the sinks of a norm's weight and bias, which a kernel writes in one mode.
struct ParameterBuffers {
    View dw, db;
    GradMode mode = GradMode::Ignore;
};

ParameterBuffers open_both(const Stream& stream, const GradSink& w, const GradSink& b) {
    const GradSink::Buffer dw = w.open(), db = b.open();
    ParameterBuffers out{dw.view, db.view, w ? dw.mode : db.mode};
    // Rare: one of the two already holds a gradient. Zero the other one, so that both accumulate.
    if (w && b && dw.mode != db.mode) {
        const View& fresh = dw.mode == GradMode::Overwrite ? dw.view : db.view;
        kernels::fill(stream, fresh, 0.0);
        out.mode = GradMode::Accumulate;
    }
    return out;
}

void check_layer_norm(const Tensor& x, const Tensor& w, const Tensor& b, const char* op) {
    check(x.rank() >= 1 && (!w.defined() || (w.rank() == 1 && w.size(0) == x.size(-1))) &&
              (!b.defined() || (b.rank() == 1 && b.size(0) == x.size(-1))),
          op, "x [.., C] with weight and bias [C]", x, w, b);
}

// What a layer norm of x [.., C] makes: y, and mean and 1 / deviation of the rows.
struct Normalised {
    Tensor y, mean, rstd;

    explicit Normalised(const Tensor& x)
        : y(Tensor::empty(x.shape(), x.dtype(), x.device())),
          mean(Tensor::empty({as_rows(x).size(0)}, wide(x.dtype()), x.device())),
          rstd(Tensor::empty(mean.shape(), mean.dtype(), x.device())) {}
};

struct LayerNormOp : Node {
    const char* name() const override { return "layer_norm"; }

    Tensor forward(const Tensor& x, const Tensor& w, const Tensor& b, double eps) {
        check_layer_norm(x, w, b, name());
        const Normalised out(x);
        kernels::layer_norm_forward(x.stream(), as_rows(out.y).view(), out.mean.view(),
                                    out.rstd.view(), as_rows(x), w, b, eps);
        return forward(x, w, b, eps, out);
    }

    /// Of an x that is normalised already; eps is for a trace.
    Tensor forward(const Tensor& x, const Tensor& w, const Tensor& b, double /*eps*/,
                   const Normalised& out) {
        dx_ = sink(x);
        if (w.defined()) dw_ = sink(w);
        if (b.defined()) db_ = sink(b);
        if (wanted()) {
            x_ = save(x);
            w_ = save(w);
            mean_ = out.mean;
            rstd_ = out.rstd;
        }
        return out.y;
    }

    void backward(const Tensor& dy) override {
        const Tensor rows = as_rows(x_.get());
        const GradSink::Buffer dx = dx_.open();
        View dx_rows = dx.view;
        dx_rows.shape = rows.shape();
        dx_rows.strides = rows.strides();
        const ParameterBuffers p = open_both(dy.stream(), dw_, db_);
        kernels::layer_norm_backward(dy.stream(), dx_rows, p.dw, p.db, as_rows(dy), rows, w_.get(),
                                     mean_, rstd_, dx.mode, p.mode);
    }

private:
    GradSink dx_, dw_, db_;
    Saved x_, w_;
    Tensor mean_, rstd_;
};

// The sum that add_layer_norm's kernel has formed.
struct ResidualSumOp : Node {
    const char* name() const override { return "residual_sum"; }

    Tensor forward(const Tensor& x, const Tensor& residual, const Tensor& sum) {
        dx_ = sink(x);
        dresidual_ = sink(residual);
        return sum;
    }

    void backward(const Tensor& dy) override {
        dx_.add(dy);
        dresidual_.add(dy);
    }

private:
    GradSink dx_, dresidual_;
};

struct BatchNormOp : Node {
    const char* name() const override { return "batch_norm"; }

    Tensor forward(const Tensor& x, const Tensor& w, const Tensor& b, const Tensor& running_mean,
                   const Tensor& running_var, bool training, double eps, double momentum) {
        const std::int64_t channels = x.size(-1);
        check(w.numel() == channels && b.numel() == channels, "batch_norm",
              "x [.., C] with weight and bias [C]", x, w, b);
        check(running_mean.numel() == channels && running_var.numel() == channels, "batch_norm",
              "x [.., C] with running statistics [C]", x, running_mean, running_var);
        training_ = training;
        eps_ = eps;
        dx_ = sink(x);
        dw_ = sink(w);
        db_ = sink(b);
        if (wanted()) {
            x_ = save(x);
            w_ = save(w);
        }
        Tensor y = Tensor::empty(x.shape(), x.dtype(), x.device());
        const Tensor rows = as_rows(x);
        if (training) {
            check(rows.size(0) > 1, "batch_norm", "training needs more than one value per channel",
                  x);
            mean_ = Tensor::empty({channels}, wide(x.dtype()), x.device());
            rstd_ = Tensor::empty({channels}, wide(x.dtype()), x.device());
            running_mean.bump_version();
            running_var.bump_version();
            kernels::batch_norm_forward_train(x.stream(), as_rows(y).view(), mean_.view(),
                                              rstd_.view(), running_mean.view(), running_var.view(),
                                              rows, w, b, eps, momentum);
        } else {
            if (wanted()) {
                mean_ = running_mean;
                rstd_ = running_var;
            }
            kernels::batch_norm_forward_eval(x.stream(), as_rows(y).view(), rows, w, b,
                                             running_mean, running_var, eps);
        }
        return y;
    }

    void backward(const Tensor& dy) override {
        const Tensor rows = as_rows(x_.get());
        Tensor dx;
        if (dx_) dx = Tensor::empty(x_.get().shape(), dy.dtype(), dy.device());
        const ParameterBuffers p = open_both(dy.stream(), dw_, db_);
        const View dx_rows = dx.defined() ? as_rows(dx).view() : View{};
        if (training_)
            kernels::batch_norm_backward_train(dy.stream(), dx_rows, p.dw, p.db, as_rows(dy), rows,
                                               w_.get(), mean_, rstd_, p.mode);
        else
            kernels::batch_norm_backward_eval(dy.stream(), dx_rows, p.dw, p.db, as_rows(dy), rows,
                                              w_.get(), mean_, rstd_, eps_, p.mode);
        if (dx_) dx_.add(std::move(dx));
    }

private:
    GradSink dx_, dw_, db_;
    Saved x_, w_;
    Tensor mean_, rstd_;  // in inference: the running mean and variance
    bool training_ = false;
    double eps_ = 0.0;
};

}  // namespace

Tensor layer_norm(const Tensor& x, const Tensor& w, const Tensor& b, double eps) {
    return apply<LayerNormOp>(contiguous(x), contiguous(w), contiguous(b), eps);
}

SumAndNorm add_layer_norm(const Tensor& branch, const Tensor& trunk, const Tensor& weight,
                          const Tensor& bias, double eps) {
    const Tensor x = contiguous(autocast::follow(branch, trunk)), w = contiguous(weight);
    const Tensor residual = contiguous(autocast::follow(trunk, branch)), b = contiguous(bias);
    check(x.shape() == residual.shape() && x.dtype() == residual.dtype() &&
              x.device() == residual.device(),
          "add_layer_norm", "two tensors of one shape, dtype and device", x, residual);
    check_layer_norm(x, w, b, "add_layer_norm");

    // One kernel, two nodes: the norm's backward runs first and adds its gradient to the sum's.
    Tensor sum = Tensor::empty(x.shape(), x.dtype(), x.device());
    const Normalised out(x);
    kernels::add_layer_norm_forward(x.stream(), as_rows(sum).view(), as_rows(out.y).view(),
                                    out.mean.view(), out.rstd.view(), as_rows(x), as_rows(residual),
                                    w, b, eps);
    sum = apply<ResidualSumOp>(x, residual, sum);
    return {sum, apply<LayerNormOp>(sum, w, b, eps, out)};
}

Tensor batch_norm(const Tensor& x, const Tensor& w, const Tensor& b, const Tensor& running_mean,
                  const Tensor& running_var, bool training, double eps, double momentum) {
    return apply<BatchNormOp>(contiguous(x), contiguous(w), contiguous(b), running_mean,
                              running_var, training, eps, momentum);
}

}  // namespace fovea::ops
