#include "layers/transformer_block.h"

#include <cmath>

namespace fovea {

TransformerBlock::TransformerBlock(const TransformerBlockConfig& c, double drop_path_rate)
    : norm1(c.width, c.ln_eps), norm2(c.width, c.ln_eps),
      attn(c.width, c.heads, std::sqrt(static_cast<double>(c.heads) / static_cast<double>(c.width)),
           c.qkv_bias, c.dropout),
      mlp(c.width, c.hidden, c.activation, c.dropout), drop_path1(drop_path_rate),
      drop_path2(drop_path_rate) {}

void TransformerBlock::visit(Visitor& v) {
    v("norm1", norm1);
    v("attn", attn);
    v("drop_path1", drop_path1);
    v("norm2", norm2);
    v("mlp", mlp);
    v("drop_path2", drop_path2);
}

Tensor TransformerBlock::forward(const Tensor& x, const Pass& pass) const {
    const Tensor attended = drop_path1.add(x, attn.forward(norm1.forward(x), pass), pass);
    return drop_path2.add(attended, mlp.forward(norm2.forward(attended), pass), pass);
}

double rising_rate(double last, std::int64_t i, std::int64_t depth) {
    return depth > 1 ? last * static_cast<double>(i) / static_cast<double>(depth - 1) : 0.0;
}

}  // namespace fovea
