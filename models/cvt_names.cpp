// CvT's tensor names, which are Microsoft's, at Hugging Face.
#include "models/cvt.h"
#include "models/name_rules.h"

namespace fovea {
namespace {

// CvtForImageClassification.
constexpr NameRule kHf[] = {
    {"stage{n}.cls_token", "cvt.encoder.stages.{n}.cls_token"},
    {"stage{n}.patch_embed.proj.",
     "cvt.encoder.stages.{n}.embedding.convolution_embeddings.projection."},
    {"stage{n}.patch_embed.norm.",
     "cvt.encoder.stages.{n}.embedding.convolution_embeddings.normalization."},
    {"stage{n}.blocks.{n}.norm1.", "cvt.encoder.stages.{n}.layers.{n}.layernorm_before."},
    {"stage{n}.blocks.{n}.attn.conv_proj_q.conv.",
     "cvt.encoder.stages.{n}.layers.{n}.attention.attention.convolution_projection_query."
     "convolution_projection.convolution."},
    {"stage{n}.blocks.{n}.attn.conv_proj_k.conv.",
     "cvt.encoder.stages.{n}.layers.{n}.attention.attention.convolution_projection_key."
     "convolution_projection.convolution."},
    {"stage{n}.blocks.{n}.attn.conv_proj_v.conv.",
     "cvt.encoder.stages.{n}.layers.{n}.attention.attention.convolution_projection_value."
     "convolution_projection.convolution."},
    {"stage{n}.blocks.{n}.attn.conv_proj_q.bn.",
     "cvt.encoder.stages.{n}.layers.{n}.attention.attention.convolution_projection_query."
     "convolution_projection.normalization."},
    {"stage{n}.blocks.{n}.attn.conv_proj_k.bn.",
     "cvt.encoder.stages.{n}.layers.{n}.attention.attention.convolution_projection_key."
     "convolution_projection.normalization."},
    {"stage{n}.blocks.{n}.attn.conv_proj_v.bn.",
     "cvt.encoder.stages.{n}.layers.{n}.attention.attention.convolution_projection_value."
     "convolution_projection.normalization."},
    {"stage{n}.blocks.{n}.attn.proj_q.",
     "cvt.encoder.stages.{n}.layers.{n}.attention.attention.projection_query."},
    {"stage{n}.blocks.{n}.attn.proj_k.",
     "cvt.encoder.stages.{n}.layers.{n}.attention.attention.projection_key."},
    {"stage{n}.blocks.{n}.attn.proj_v.",
     "cvt.encoder.stages.{n}.layers.{n}.attention.attention.projection_value."},
    {"stage{n}.blocks.{n}.attn.proj.", "cvt.encoder.stages.{n}.layers.{n}.attention.output.dense."},
    {"stage{n}.blocks.{n}.norm2.", "cvt.encoder.stages.{n}.layers.{n}.layernorm_after."},
    {"stage{n}.blocks.{n}.mlp.fc1.", "cvt.encoder.stages.{n}.layers.{n}.intermediate.dense."},
    {"stage{n}.blocks.{n}.mlp.fc2.", "cvt.encoder.stages.{n}.layers.{n}.output.dense."},
    {"norm.", "layernorm."},
    {"head.", "classifier."},
};

std::vector<std::string> hf(const std::string& own) { return apply_rules(kHf, own); }

}  // namespace

std::vector<NameStyle> Cvt::name_styles() const {
    bool at_hf = !config_.mean_head;
    for (std::size_t i = 0; i < config_.stages.size(); ++i) {
        const CvtStageConfig& stage = config_.stages[i];
        if (config_.packed_qkv || !stage.conv_projection || stage.embed != CvtEmbed::Conv)
            return {};
        // Hugging Face takes the drop-path rate of stage i from the i-th of its blocks (from 0).
        at_hf = at_hf && stage.depth > static_cast<std::int64_t>(i);
    }
    std::vector<NameStyle> styles = {own_style("microsoft")};
    if (!at_hf) return styles;
    styles.push_back({"hf", hf, {}, {{"cvt.", ""}}});
    if (config_.activation == Unary::QuickGelu)
        styles.back().differs =
            "Hugging Face's CvT computes GELU exactly, this one as x sigmoid(1.702 x), as "
            "Microsoft: their logits will differ a little";
    return styles;
}

}  // namespace fovea
