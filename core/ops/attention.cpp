#include "core/ops/attention.h"

#include "core/autocast.h"
#include "core/ops/check.h"
#include "core/ops/shape_ops.h"
#include "core/tape.h"
#include "kernels/include/attention.h"

namespace fovea::ops {
namespace {

Tensor new_lse(const Tensor& q) {
    return Tensor::empty({q.size(0), q.size(2), q.size(1)}, wide(q.dtype()), q.device());
}

struct AttentionOp : Node {
    const char* name() const override { return "attention"; }

    Tensor forward(const Tensor& q, const Tensor& k, const Tensor& v, double scale) {
        check(q.rank() == 4 && k.rank() == 4 && k.shape() == v.shape(), "attention",
              "q [B,Tq,H,D], k and v [B,Tk,H,D]", q, k, v);
        check(q.size(0) == k.size(0) && q.size(2) == k.size(2) && q.size(3) == k.size(3),
              "attention", "q and k must agree in B, H and D", q, k);
        scale_ = scale;
        dq_ = sink(q);
        dk_ = sink(k);
        dv_ = sink(v);
        Tensor o = Tensor::empty(q.shape(), q.dtype(), q.device());
        lse_ = new_lse(q);
        kernels::attention_forward(q.stream(), o.view(), lse_.view(), q, k, v, scale);
        q_ = save(q);
        k_ = save(k);
        v_ = save(v);
        o_ = save(o.reshape(o.shape()));
        return o;
    }

    void backward(const Tensor& dout) override {
        const Tensor &q = q_.get(), &k = k_.get(), &v = v_.get();
        // Dense gradients even where q, k, v are strided.
        Tensor dq = Tensor::empty(q.shape(), q.dtype(), q.device());
        Tensor dk = Tensor::empty(k.shape(), k.dtype(), k.device());
        Tensor dv = Tensor::empty(v.shape(), v.dtype(), v.device());
        kernels::attention_backward(dout.stream(), dq.view(), dk.view(), dv.view(), dout, o_.get(),
                                    lse_, q, k, v, scale_);
        dq_.add(std::move(dq));
        dk_.add(std::move(dk));
        dv_.add(std::move(dv));
    }

private:
    double scale_ = 1.0;
    GradSink dq_, dk_, dv_;
    Saved q_, k_, v_, o_;
    Tensor lse_;
};

// Part 0, 1 or 2 (q, k, v) of a packed [B,T,3*H*D] as a strided [B,T,H,D].
Tensor part_of(const Tensor& packed, std::int64_t heads, std::int64_t part) {
    const std::int64_t width = packed.size(2) / 3;
    return packed.reshape({packed.size(0), packed.size(1), 3 * heads, width / heads})
        .slice(2, part * heads, (part + 1) * heads);
}

struct PackedAttentionOp : Node {
    const char* name() const override { return "attention_packed"; }

    Tensor forward(const Tensor& qkv, std::int64_t heads, double scale) {
        check(qkv.rank() == 3 && qkv.size(2) % (3 * heads) == 0, "attention_packed",
              "qkv [B, T, 3 * heads * D]", qkv);
        heads_ = heads;
        scale_ = scale;
        dqkv_ = sink(qkv);
        const Tensor q = part_of(qkv, heads, 0);
        Tensor o = Tensor::empty(q.shape(), q.dtype(), q.device());
        lse_ = new_lse(q);
        kernels::attention_forward(q.stream(), o.view(), lse_.view(), q, part_of(qkv, heads, 1),
                                   part_of(qkv, heads, 2), scale);
        qkv_ = save(qkv);
        o_ = save(o);
        return o.reshape({qkv.size(0), qkv.size(1), qkv.size(2) / 3});
    }

    void backward(const Tensor& dout) override {
        const Tensor &qkv = qkv_.get(), &o = o_.get();
        Tensor dqkv = Tensor::empty(qkv.shape(), qkv.dtype(), qkv.device());
        kernels::attention_backward(
            dout.stream(), part_of(dqkv, heads_, 0).view(), part_of(dqkv, heads_, 1).view(),
            part_of(dqkv, heads_, 2).view(), dout.reshape(o.shape()), o, lse_,
            part_of(qkv, heads_, 0), part_of(qkv, heads_, 1), part_of(qkv, heads_, 2), scale_);
        dqkv_.add(std::move(dqkv));
    }

private:
    std::int64_t heads_ = 1;
    double scale_ = 1.0;
    GradSink dqkv_;
    Saved qkv_, o_;
    Tensor lse_;
};

}  // namespace

Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, double scale) {
    return apply<AttentionOp>(dense_rows(autocast::low(q)), dense_rows(autocast::low(k)),
                              dense_rows(autocast::low(v)), scale);
}

Tensor attention_packed(const Tensor& qkv, std::int64_t heads, double scale) {
    return apply<PackedAttentionOp>(contiguous(autocast::low(qkv)), heads, scale);
}

Tensor attention_probabilities(const Tensor& queries, const Tensor& keys, double scale) {
    const NoGrad no_recording;
    check(queries.rank() == 4 && keys.rank() == 4, "attention_probabilities",
          "q [B,Tq,H,D] and k [B,Tk,H,D]", queries, keys);
    const Tensor q = dense_rows(queries), k = dense_rows(keys);
    check(q.size(0) == k.size(0) && q.size(2) == k.size(2) && q.size(3) == k.size(3),
          "attention_probabilities", "q and k must agree in B, H and D", q, k);
    const Tensor lse = new_lse(q);
    const Tensor unused = Tensor::empty(q.shape(), q.dtype(), q.device());
    // v does not matter for lse: any tensor of k's shape will do.
    kernels::attention_forward(q.stream(), unused.view(), lse.view(), q, k, k, scale);
    Tensor p = Tensor::empty({q.size(0), q.size(2), q.size(1), k.size(1)}, q.dtype(), q.device());
    kernels::attention_probabilities(q.stream(), p.view(), q, k, lse, scale);
    return p;
}

}  // namespace fovea::ops
