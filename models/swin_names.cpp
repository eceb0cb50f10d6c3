// Swin's tensor names, which are timm's, at torchvision, Hugging Face and Microsoft (and older timm).
#include "models/name_rules.h"
#include "models/swin.h"

namespace fovea {
namespace {

using Names = std::vector<std::string>;

constexpr NameRule kTorchvision[] = {
    {"patch_embed.proj.", "features.0.0."},
    {"patch_embed.norm.", "features.0.2."},
    {"layers.{n}.downsample.", "features.{2n}."},
    {"layers.{n}.blocks.{n}.mlp.fc1.", "features.{2n+1}.{n}.mlp.0."},
    {"layers.{n}.blocks.{n}.mlp.fc2.", "features.{2n+1}.{n}.mlp.3."},
    {"layers.{n}.blocks.{n}.", "features.{2n+1}.{n}."},
    {"head.fc.", "head."},
};

// A stage ends with merging patches, where timm's and ours begin with it.
constexpr NameRule kMicrosoft[] = {
    {"layers.{n}.downsample.", "layers.{n-1}.downsample."},
    {"head.fc.", "head."},
};

// SwinForImageClassification. Its stages end as Microsoft's.
constexpr NameRule kHf[] = {
    {"patch_embed.proj.", "swin.embeddings.patch_embeddings.projection."},
    {"patch_embed.norm.", "swin.embeddings.norm."},
    {"layers.{n}.downsample.", "swin.encoder.layers.{n-1}.downsample."},
    {"layers.{n}.blocks.{n}.norm1.", "swin.encoder.layers.{n}.blocks.{n}.layernorm_before."},
    {"layers.{n}.blocks.{n}.attn.qkv.",
     "swin.encoder.layers.{n}.blocks.{n}.attention.self.{query,key,value}."},
    {"layers.{n}.blocks.{n}.attn.relative_position_bias_table",
     "swin.encoder.layers.{n}.blocks.{n}.attention.self.relative_position_bias_table"},
    {"layers.{n}.blocks.{n}.attn.proj.",
     "swin.encoder.layers.{n}.blocks.{n}.attention.output.dense."},
    {"layers.{n}.blocks.{n}.norm2.", "swin.encoder.layers.{n}.blocks.{n}.layernorm_after."},
    {"layers.{n}.blocks.{n}.mlp.fc1.", "swin.encoder.layers.{n}.blocks.{n}.intermediate.dense."},
    {"layers.{n}.blocks.{n}.mlp.fc2.", "swin.encoder.layers.{n}.blocks.{n}.output.dense."},
    {"norm.", "swin.layernorm."},
    {"head.fc.", "classifier."},
};

Names torchvision(const std::string& own) { return apply_rules(kTorchvision, own); }
Names microsoft(const std::string& own) { return apply_rules(kMicrosoft, own); }
Names hf(const std::string& own) { return apply_rules(kHf, own); }

}  // namespace

std::vector<NameStyle> Swin::name_styles() const {
    const auto differs = [&](const std::string& who, const std::string& rule) -> std::string {
        if (swin_rules_agree(config_, *swin_rule(rule))) return "";
        return "maps do not fit their windows, so logits agree with " + who +
               "'s only with --swin-padding " + rule;
    };
    return {own_style("timm", differs("timm", "timm")),
            {"torchvision", torchvision, differs("torchvision", "torchvision")},
            {"hf", hf, differs("Hugging Face", "torchvision"), {{"swin.", ""}}},
            {"microsoft", microsoft, differs("Microsoft", "microsoft")}};
}

}  // namespace fovea
