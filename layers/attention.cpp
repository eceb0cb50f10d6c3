#include "layers/attention.h"

#include "core/ops/attention.h"

namespace fovea {

SelfAttention::SelfAttention(std::int64_t width, std::int64_t head_count, double attention_scale,
                             bool qkv_bias, double dropout)
    : qkv(width, 3 * width, qkv_bias), proj(width, width), proj_drop(dropout), heads(head_count),
      scale(attention_scale) {}

void SelfAttention::visit(Visitor& v) {
    v("qkv", qkv);
    v("proj", proj);
    v("proj_drop", proj_drop);
}

Tensor SelfAttention::forward(const Tensor& x, const Pass& pass) const {
    const Tensor mixed = ops::attention_packed(qkv.forward(x), heads, scale);
    return proj_drop.forward(proj.forward(mixed), pass);
}

}  // namespace fovea
