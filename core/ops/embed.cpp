#include "core/ops/embed.h"

#include "core/ops/check.h"
#include "core/ops/shape_ops.h"
#include "core/tape.h"
#include "kernels/include/embed.h"

namespace fovea::ops {
namespace {

/// Is x [rows,C] or [1,rows,C]? rows < 0: any number.
bool is_rows(const Tensor& x, std::int64_t rows, std::int64_t C) {
    const bool flat = x.rank() == 2 || (x.rank() == 3 && x.size(0) == 1);
    return flat && x.size(-1) == C && (rows < 0 || x.size(-2) == rows);
}

struct EmbedTokensOp : Node {
    const char* name() const override { return "embed_tokens"; }

    Tensor forward(const Tensor& patches, const Tensor& prefix, const Tensor& position) {
        check(patches.rank() == 3, "embed_tokens", "patches [B,N,C]", patches);
        const std::int64_t C = patches.size(2);
        check(!prefix.defined() || is_rows(prefix, -1, C), "embed_tokens",
              "prefix must be [P,C] beside patches [B,N,C]", patches, prefix);
        prefix_tokens_ = prefix.defined() ? prefix.size(-2) : 0;
        const std::int64_t L = prefix_tokens_ + patches.size(1);
        check(!position.defined() || is_rows(position, L, C), "embed_tokens",
              "position must be [P+N,C] for patches [B,N,C] and prefix [P,C]", patches, prefix,
              position);
        dpatches_ = sink(patches);
        if (prefix.defined()) dprefix_ = sink(prefix);
        if (position.defined()) dposition_ = sink(position);
        Tensor y = Tensor::empty({patches.size(0), L, C}, patches.dtype(), patches.device());
        kernels::embed_tokens_forward(patches.stream(), y.view(), patches, prefix, position);
        return y;
    }

    void backward(const Tensor& dy) override {
        const GradSink::Buffer dpatches = dpatches_.open(), dprefix = dprefix_.open(),
                               dposition = dposition_.open();
        kernels::embed_tokens_backward(dy.stream(), dpatches.view, dprefix.view, dposition.view, dy,
                                       prefix_tokens_, dpatches.mode, dprefix.mode, dposition.mode);
    }

private:
    std::int64_t prefix_tokens_ = 0;
    GradSink dpatches_, dprefix_, dposition_;
};

}  // namespace

Tensor embed_tokens(const Tensor& patches, const Tensor& prefix, const Tensor& position) {
    return apply<EmbedTokensOp>(contiguous(patches), contiguous(prefix), contiguous(position));
}

}  // namespace fovea::ops
