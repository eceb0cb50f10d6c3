#include "models/vit.h"

#include "core/error.h"
#include "core/ops/shape_ops.h"

namespace fovea {
namespace {

void require_consistent(const VitConfig& c) {
    const auto text = [](GridSize s) {
        return std::to_string(s.rows) + "x" + std::to_string(s.columns);
    };
    for (const std::int64_t extent :
         {c.num_classes, c.in_channels, c.image_size.rows, c.image_size.columns, c.patch_size.rows,
          c.patch_size.columns, c.embed_dim, c.depth, c.num_heads, c.mlp_hidden})
        if (extent < 1)
            throw Error("C04",
                        "a vision transformer cannot have an extent of " + std::to_string(extent));
    if (c.image_size.rows % c.patch_size.rows != 0 ||
        c.image_size.columns % c.patch_size.columns != 0)
        throw Error("C04",
                    "an image of " + text(c.image_size) + " does not divide into patches of " +
                        text(c.patch_size),
                    "image size", "a multiple of the patch, or a model with smaller patches");
    if (c.embed_dim % c.num_heads != 0)
        throw Error("C04", std::to_string(c.num_heads) + " heads do not divide a width of " +
                               std::to_string(c.embed_dim));
}

}  // namespace

TokenEmbedding token_embedding_of(const VitConfig& c, bool distilled) {
    require_consistent(c);
    return TokenEmbedding({c.in_channels, c.embed_dim, c.image_size, c.patch_size, distilled,
                           c.token_positions, c.dropout});
}

VitTrunk::VitTrunk(const VitConfig& c, bool distilled)
    : embed(token_embedding_of(c, distilled)), norm(c.embed_dim, c.ln_eps) {
    const TransformerBlockConfig block = {c.embed_dim,  c.num_heads, c.mlp_hidden, c.qkv_bias,
                                          c.activation, c.ln_eps,    c.dropout};
    for (std::int64_t i = 0; i < c.depth; ++i)
        blocks.emplace_back(block, rising_rate(c.drop_path, i, c.depth));
}

void VitTrunk::visit(Visitor& v) {
    v("cls_token", embed.cls_token);
    v("pos_embed", embed.positions);
    v("dist_token", embed.dist_token);
    v("patch_embed.proj", embed.proj);
    v("pos_drop", embed.drop);
    v("blocks", blocks);
    v("norm", norm);
}

Tensor VitTrunk::forward(const Tensor& images, const Pass& pass) const {
    Tensor x = embed.forward(images, pass);
    for (const TransformerBlock& block : blocks) x = block.forward(x, pass);
    // The heads read these tokens only, so no other needs the norm.
    return norm.forward(ops::contiguous(ops::slice(x, 1, 0, embed.prefix())));
}

Tensor token_of(const Tensor& tokens, std::int64_t index) {
    return ops::reshape(ops::slice(tokens, 1, index, index + 1), {tokens.size(0), tokens.size(2)});
}

Vit::Vit(const VitConfig& config) : config_(config), trunk_(config, false) {
    std::int64_t width = config.embed_dim;
    if (config.representation_size > 0) {
        pre_logits_ = Linear(width, config.representation_size);
        width = config.representation_size;
    }
    head_ = Linear(width, config.num_classes);
    assign_sites(*this);
}

void Vit::visit(Visitor& v) {
    trunk_.visit(v);
    if (config_.representation_size > 0) v("pre_logits.fc", pre_logits_);
    v("head", head_);
}

Tensor Vit::forward(const Tensor& images, const Pass& pass) const {
    Tensor x = token_of(trunk_.forward(images, pass), 0);
    if (config_.representation_size > 0) x = pre_logits_.forward(x, Unary::Tanh);
    return head_.forward(x);
}

std::int64_t Vit::macs() const {
    const std::int64_t hidden = config_.representation_size;
    const std::int64_t width = hidden > 0 ? hidden : config_.embed_dim;
    return vit_trunk_macs(config_, false) + hidden * config_.embed_dim +
           width * config_.num_classes;
}

Tensor Vit::fitted(const std::string& name, const Tensor& value) const {
    return name == "pos_embed" ? trunk_.embed.fit_positions(value) : value;
}

}  // namespace fovea
