#include "core/ops/window_attention.h"

#include "core/autocast.h"
#include "core/ops/check.h"
#include "core/ops/shape_ops.h"
#include "core/tape.h"

namespace fovea::ops {
namespace {

void check_arguments(const Tensor& qkv, const Tensor& table, const WindowParams& p) {
    constexpr const char* op = "window_attention";
    check(qkv.rank() == 4 && p.heads > 0 && qkv.size(3) % (3 * p.heads) == 0, op,
          "qkv [B, H, W, 3 * heads * D]", qkv);
    for (int axis = 0; axis < 2; ++axis) {
        check(p.window[axis] > 0 && p.shift[axis] >= 0 && p.shift[axis] < p.window[axis], op,
              "a window must be positive, a shift at least 0 and smaller than the window", qkv);
        check(qkv.size(1 + axis) % p.window[axis] == 0, op,
              "H and W must be multiples of the window", qkv);
    }
    const std::int64_t rows = (2 * p.window[0] - 1) * (2 * p.window[1] - 1);
    check(!table.defined() || table.shape() == Shape{rows, p.heads}, op,
          "table [(2 rows - 1) (2 columns - 1), heads]", qkv, table);
}

struct WindowAttentionOp : Node {
    const char* name() const override { return "window_attention"; }

    Tensor forward(const Tensor& qkv, const Tensor& table, const WindowParams& params) {
        check_arguments(qkv, table, params);
        params_ = params;
        dqkv_ = sink(qkv);
        if (table.defined()) dtable_ = sink(table);
        const std::int64_t B = qkv.size(0), H = qkv.size(1), W = qkv.size(2);
        Tensor o = Tensor::empty({B, H, W, qkv.size(3) / 3}, qkv.dtype(), qkv.device());
        if (wanted()) {
            const WindowGrid grid(H, W, params);
            lse_ = Tensor::empty({B, grid.windows(), params.heads, grid.tokens()},
                                 wide(qkv.dtype()), qkv.device());
            qkv_ = save(qkv);
            table_ = save(table);
            o_ = save(o.reshape(o.shape()));
        }
        kernels::window_attention_forward(qkv.stream(), o.view(), lse_.view(), qkv, table, params);
        return o;
    }

    void backward(const Tensor& dout) override {
        const Tensor& qkv = qkv_.get();
        Tensor dqkv = Tensor::empty(qkv.shape(), qkv.dtype(), qkv.device());
        const GradSink::Buffer dtable = dtable_.open();
        kernels::window_attention_backward(dout.stream(), dqkv.view(), dtable.view, dout, o_.get(),
                                           lse_, qkv, table_.get(), params_, dtable.mode);
        dqkv_.add(std::move(dqkv));
    }

private:
    WindowParams params_;
    GradSink dqkv_, dtable_;
    Saved qkv_, table_, o_;
    Tensor lse_;
};

}  // namespace

Tensor window_attention(const Tensor& qkv, const Tensor& table, const WindowParams& params) {
    return apply<WindowAttentionOp>(contiguous(autocast::low(qkv)),
                                    table.defined() ? contiguous(table) : Tensor(), params);
}

}  // namespace fovea::ops
