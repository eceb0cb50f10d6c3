#include "models/cvt.h"

#include <cmath>

#include "core/error.h"
#include "core/ops/elementwise.h"
#include "core/ops/reduce.h"
#include "core/ops/shape_ops.h"
#include "layers/init.h"
#include "layers/transformer_block.h"

namespace fovea {

CvtPatchEmbed::CvtPatchEmbed(std::int64_t in, const CvtStageConfig& c, double ln_eps)
    : kind(c.embed) {
    if (kind == CvtEmbed::Conv) {
        proj = Conv2d(in, c.embed_dim, c.patch_size, c.stride, c.padding);
        norm = LayerNorm(c.embed_dim, ln_eps);
    } else {
        proj1 = Conv2d(in, c.embed_dim / 2, 3, 2, 1);
        norm1 = LayerNorm(c.embed_dim / 2, ln_eps);
        proj2 = Conv2d(c.embed_dim / 2, c.embed_dim, 3, 2, 1);
        norm2 = LayerNorm(c.embed_dim, ln_eps);
    }
}

void CvtPatchEmbed::visit(Visitor& v) {
    if (kind == CvtEmbed::Conv) {
        v("proj", proj);
        v("norm", norm);
    } else {
        v("proj1", proj1);
        v("norm1", norm1);
        v("proj2", proj2);
        v("norm2", norm2);
    }
}

Tensor CvtPatchEmbed::forward(const Tensor& x) const {
    if (kind == CvtEmbed::Conv) return norm.forward(proj.forward(x));
    const Tensor half = ops::unary(norm1.forward(proj1.forward(x)), Unary::GeluErf);
    return norm2.forward(proj2.forward(half));
}

CvtBlock::CvtBlock(const CvtConfig& model, const CvtStageConfig& stage, double drop_path_rate)
    : norm1(stage.embed_dim, model.ln_eps), norm2(stage.embed_dim, model.ln_eps),
      mlp(stage.embed_dim,
          static_cast<std::int64_t>(static_cast<double>(stage.embed_dim) * stage.mlp_ratio),
          model.activation, model.dropout),
      drop_path1(drop_path_rate), drop_path2(drop_path_rate), packed(model.packed_qkv) {
    const std::int64_t scaled_width =
        model.scale_by_head_dim ? stage.embed_dim / stage.num_heads : stage.embed_dim;
    const double scale = 1.0 / std::sqrt(static_cast<double>(scaled_width));
    if (packed) {
        packed_attn =
            SelfAttention(stage.embed_dim, stage.num_heads, scale, stage.qkv_bias, model.dropout);
    } else {
        attn = ConvAttention({stage.embed_dim, stage.num_heads, stage.conv_projection,
                              stage.kernel_qkv, stage.padding_q, stage.padding_kv, stage.stride_q,
                              stage.stride_kv, stage.qkv_bias, scale, model.bn_eps,
                              model.bn_momentum, model.dropout});
    }
}

void CvtBlock::visit(Visitor& v) {
    v("norm1", norm1);
    if (packed)
        v("attn", packed_attn);
    else
        v("attn", attn);
    v("drop_path1", drop_path1);
    v("norm2", norm2);
    v("mlp", mlp);
    v("drop_path2", drop_path2);
}

Tensor CvtBlock::forward(const Tensor& x, std::int64_t height, std::int64_t width, bool class_token,
                         const Pass& pass) const {
    const auto mixed = [&] {
        const Tensor normed = norm1.forward(x);
        return packed ? packed_attn.forward(normed, pass)
                      : attn.forward(normed, height, width, class_token, pass);
    };
    const Tensor attended = drop_path1.add(x, mixed(), pass);
    return drop_path2.add(attended, mlp.forward(norm2.forward(attended), pass), pass);
}

CvtStage::CvtStage(const CvtConfig& model, std::size_t index) : pos_drop(model.dropout) {
    const CvtStageConfig& c = model.stages[index];
    const std::int64_t in = index == 0 ? model.in_channels : model.stages[index - 1].embed_dim;
    if (c.class_token) {
        cls_token.value = Tensor::zeros({1, 1, c.embed_dim}).set_requires_grad();
        cls_token.no_decay = true;
    }
    patch_embed = CvtPatchEmbed(in, c, model.ln_eps);
    for (std::int64_t i = 0; i < c.depth; ++i) {
        const double rate = c.depth > 1 ? rising_rate(c.drop_path, i, c.depth) : c.drop_path;
        blocks.emplace_back(model, c, rate);
    }
}

void CvtStage::visit(Visitor& v) {
    v("cls_token", cls_token);
    v("patch_embed", patch_embed);
    v("pos_drop", pos_drop);
    v("blocks", blocks);
}

CvtStage::Output CvtStage::forward(Tensor x, const Pass& pass) const {
    x = patch_embed.forward(x);  // x is always the latest tensor, so that inference keeps no other
    const std::int64_t batch = x.size(0), height = x.size(1), width = x.size(2),
                       channels = x.size(3);
    const bool with_token = cls_token.value.defined();
    x = ops::reshape(x, {batch, height * width, channels});
    if (with_token) x = ops::concat({ops::expand(cls_token, {batch, 1, channels}), x}, 1);
    x = pos_drop.forward(x, pass);
    for (const CvtBlock& block : blocks) x = block.forward(x, height, width, with_token, pass);
    if (!with_token) return {ops::reshape(x, {batch, height, width, channels}), {}};
    const Tensor patches = ops::slice(x, 1, 1, x.size(1));
    return {ops::reshape(patches, {batch, height, width, channels}), ops::slice(x, 1, 0, 1)};
}

namespace {

void require_consistent(const CvtConfig& config) {
    const bool ends_with_token = !config.stages.empty() && config.stages.back().class_token;
    if (config.stages.empty() || (!config.mean_head && !ends_with_token))
        throw Error(
            "C04", "a CvT needs at least one stage, and its last one a class token or a mean head");
    for (const CvtStageConfig& s : config.stages) {
        if (config.packed_qkv && s.conv_projection)
            throw Error("C04", "a CvT with packed qkv cannot have convolutional projections");
        for (const std::int64_t extent :
             {config.num_classes, config.in_channels, s.patch_size, s.stride, s.embed_dim,
              s.num_heads, s.kernel_qkv, s.stride_q, s.stride_kv})
            if (extent < 1)
                throw Error("C04", "a CvT cannot have an extent of " + std::to_string(extent));
        if (s.embed_dim % s.num_heads != 0)
            throw Error("C04", std::to_string(s.num_heads) + " heads do not divide a width of " +
                                   std::to_string(s.embed_dim));
    }
    const GridSize image{config.image_size[0], config.image_size[1]};
    if (cvt_takes(config, image)) return;
    std::int64_t side = 1;
    while (side < 1024 && !cvt_takes(config, {side, side})) ++side;
    throw Error("C04",
                "images of " + std::to_string(image.rows) + "x" + std::to_string(image.columns) +
                    " are too small for these convolutions",
                "--img-size", std::to_string(side) + " or more");
}

}  // namespace

Cvt::Cvt(const CvtConfig& config) : config_(config) {
    require_consistent(config);
    for (std::size_t i = 0; i < config.stages.size(); ++i) stages_.emplace_back(config_, i);
    norm_ = LayerNorm(config.stages.back().embed_dim, config.ln_eps);
    head_ = Linear(config.stages.back().embed_dim, config.num_classes);
    assign_sites(*this);
}

void Cvt::visit(Visitor& v) {
    for (std::size_t i = 0; i < stages_.size(); ++i)
        v(("stage" + std::to_string(i)).c_str(), stages_[i]);
    v("norm", norm_);
    v("head", head_);
}

Tensor Cvt::forward(const Tensor& images, const Pass& pass) const {
    CvtStage::Output out{images, {}};
    for (const CvtStage& stage : stages_) out = stage.forward(std::move(out.map), pass);
    if (config_.mean_head) {
        const Tensor tokens = ops::reshape(out.map, {out.map.size(0), -1, out.map.size(3)});
        return head_.forward(ops::mean(norm_.forward(tokens), {1}));
    }
    const Tensor token = ops::reshape(out.class_token, {images.size(0), -1});
    return head_.forward(norm_.forward(token));
}

std::int64_t Cvt::macs() const { return cvt_macs(config_); }

// Behind the last block's first norm only the class token matters any more.
std::string Cvt::explain_layer() const {
    return "stage" + std::to_string(stages_.size() - 1) + ".blocks." +
           std::to_string(stages_.back().blocks.size() - 1) + ".norm1";
}

void Cvt::initialise(std::uint64_t seed) {
    struct Initialise : Visitor {
        std::uint64_t seed = 0;
        void enter_module(const std::string& name, Module& m) override {
            if (auto* linear = dynamic_cast<Linear*>(&m)) {
                init::truncated_normal(linear->weight, 0.02, init::site_of(seed, name + ".weight"));
                // Microsoft's code leaves the head's bias as PyTorch made it.
                if (name == "head")
                    init::uniform(linear->bias, init::default_bound(linear->weight),
                                  init::site_of(seed, name + ".bias"));
            } else if (auto* conv = dynamic_cast<Conv2d*>(&m)) {
                const double bound = init::default_bound(conv->weight);
                init::uniform(conv->weight, bound, init::site_of(seed, name + ".weight"));
                if (conv->bias.value.defined())
                    init::uniform(conv->bias, bound, init::site_of(seed, name + ".bias"));
            } else if (auto* stage = dynamic_cast<CvtStage*>(&m)) {
                if (stage->cls_token.value.defined())
                    init::truncated_normal(stage->cls_token, 0.02,
                                           init::site_of(seed, name + ".cls_token"));
            }
        }
    } initialise;
    initialise.seed = seed;
    visit(initialise);
}

}  // namespace fovea
