#include "layers/conv_attention.h"

#include "core/ops/attention.h"
#include "core/ops/shape_ops.h"

namespace fovea {

ConvProjection::ConvProjection(std::int64_t channels, std::int64_t kernel, std::int64_t stride,
                               std::int64_t padding, double bn_eps, double bn_momentum)
    : conv(channels, channels, kernel, stride, padding, channels, false),
      bn(channels, bn_eps, bn_momentum) {}

void ConvProjection::visit(Visitor& v) {
    v("conv", conv);
    v("bn", bn);
}

ConvAttention::ConvAttention(const ConvAttentionConfig& c)
    : proj_q(c.width, c.width, c.qkv_bias), proj_k(c.width, c.width, c.qkv_bias),
      proj_v(c.width, c.width, c.qkv_bias), proj(c.width, c.width), proj_drop(c.dropout),
      config(c) {
    if (!c.conv_projection) return;
    conv_proj_q =
        ConvProjection(c.width, c.kernel, c.stride_q, c.padding_q, c.bn_eps, c.bn_momentum);
    conv_proj_k =
        ConvProjection(c.width, c.kernel, c.stride_kv, c.padding_kv, c.bn_eps, c.bn_momentum);
    conv_proj_v =
        ConvProjection(c.width, c.kernel, c.stride_kv, c.padding_kv, c.bn_eps, c.bn_momentum);
}

void ConvAttention::visit(Visitor& v) {
    if (config.conv_projection) {
        v("conv_proj_q", conv_proj_q);
        v("conv_proj_k", conv_proj_k);
        v("conv_proj_v", conv_proj_v);
    }
    v("proj_q", proj_q);
    v("proj_k", proj_k);
    v("proj_v", proj_v);
    v("proj", proj);
    v("proj_drop", proj_drop);
}

Tensor ConvAttention::heads_of(const Tensor& tokens, const Linear& projection) const {
    const Tensor y = projection.forward(tokens);
    return ops::reshape(y, {y.size(0), y.size(1), config.heads, config.width / config.heads});
}

Tensor ConvAttention::forward(const Tensor& x, std::int64_t height, std::int64_t width,
                              bool class_token, const Pass& pass) const {
    const std::int64_t batch = x.size(0), tokens = x.size(1), channels = x.size(2);
    Tensor map;
    if (config.conv_projection) {
        // Tokens are rows of a channels-last map, so this is a view (a copy only behind a class token).
        const Tensor patches = class_token ? ops::slice(x, 1, 1, tokens) : x;
        map = ops::reshape(patches, {batch, height, width, channels});
    }
    const auto projected = [&](const ConvProjection& projection) {
        if (!config.conv_projection) return x;
        const Tensor y = projection.forward(map, pass);
        const Tensor rows = ops::reshape(y, {batch, y.size(1) * y.size(2), channels});
        return class_token ? ops::concat({ops::slice(x, 1, 0, 1), rows}, 1) : rows;
    };
    const Tensor q = heads_of(projected(conv_proj_q), proj_q);
    const Tensor k = heads_of(projected(conv_proj_k), proj_k);
    const Tensor v = heads_of(projected(conv_proj_v), proj_v);
    const Tensor mixed = ops::attention(q, k, v, config.scale);
    return proj_drop.forward(proj.forward(ops::reshape(mixed, {batch, q.size(1), channels})), pass);
}

}  // namespace fovea
