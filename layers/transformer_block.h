// TransformerBlock: the pre-norm block of ViT and DeiT (Dosovitskiy et al., "An image is worth 16x16
// words", ICLR 2021), under timm's names.
#pragma once

#include "layers/attention.h"
#include "layers/mlp.h"
#include "layers/norm.h"

namespace fovea {

struct TransformerBlockConfig {
    std::int64_t width = 192, heads = 3, hidden = 768;  ///< hidden: of the MLP
    bool qkv_bias = true;
    Unary activation = Unary::GeluErf;
    double ln_eps = 1e-6, dropout = 0.0;
};

/// x += attn(norm1(x)); x += mlp(norm2(x)), each branch under drop-path. x [B,T,width]. Attention is
/// scaled by (width / heads)^-0.5; dropout acts behind attention and behind both layers of the MLP.
struct TransformerBlock : Module {
    LayerNorm norm1, norm2;
    SelfAttention attn;
    Mlp mlp;
    DropPath drop_path1, drop_path2;

    TransformerBlock(const TransformerBlockConfig& c, double drop_path_rate);
    void visit(Visitor& v) override;
    Tensor forward(const Tensor& x, const Pass& pass) const;
};

/// Drop-path rate of block i of `depth`: rises linearly from 0 to `last` in the last block (a single
/// block has 0), as in timm.
double rising_rate(double last, std::int64_t i, std::int64_t depth);

}  // namespace fovea
