// Multi-head self-attention with one packed projection (timm's form).
#pragma once

#include "layers/dropout.h"
#include "layers/linear.h"

namespace fovea {

/// proj(softmax(scale q k^T) v). x [B,T,width]; qkv.weight rows are q, then k, then v, heads inside each.
struct SelfAttention : Module {
    Linear qkv, proj;
    Dropout proj_drop;
    std::int64_t heads = 1;
    double scale = 1.0;

    SelfAttention() = default;
    SelfAttention(std::int64_t width, std::int64_t head_count, double attention_scale,
                  bool qkv_bias, double dropout);
    void visit(Visitor& v) override;
    Tensor forward(const Tensor& x, const Pass& pass) const;
};

}  // namespace fovea
