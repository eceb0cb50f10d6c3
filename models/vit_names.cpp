// Tensor names of ViT and DeiT, which are timm's, at torchvision and Hugging Face.
#include "models/deit.h"
#include "models/name_rules.h"

namespace fovea {
namespace {

using Names = std::vector<std::string>;

constexpr NameRule kTorchvision[] = {
    {"cls_token", "class_token"},
    {"pos_embed", "encoder.pos_embedding"},
    {"patch_embed.proj.", "conv_proj."},
    {"blocks.{n}.norm1.", "encoder.layers.encoder_layer_{n}.ln_1."},
    {"blocks.{n}.attn.qkv.", "encoder.layers.encoder_layer_{n}.self_attention.in_proj_"},
    {"blocks.{n}.attn.proj.", "encoder.layers.encoder_layer_{n}.self_attention.out_proj."},
    {"blocks.{n}.norm2.", "encoder.layers.encoder_layer_{n}.ln_2."},
    {"blocks.{n}.mlp.fc1.", "encoder.layers.encoder_layer_{n}.mlp.0."},
    {"blocks.{n}.mlp.fc2.", "encoder.layers.encoder_layer_{n}.mlp.3."},
    {"norm.", "encoder.ln."},
    {"pre_logits.fc.", "heads.pre_logits."},
    {"head.", "heads.head."},
};

// ViTForImageClassification.
constexpr NameRule kHf[] = {
    {"cls_token", "vit.embeddings.cls_token"},
    {"dist_token", "vit.embeddings.distillation_token"},
    {"pos_embed", "vit.embeddings.position_embeddings"},
    {"patch_embed.proj.", "vit.embeddings.patch_embeddings.projection."},
    {"blocks.{n}.norm1.", "vit.encoder.layer.{n}.layernorm_before."},
    {"blocks.{n}.attn.qkv.", "vit.encoder.layer.{n}.attention.attention.{query,key,value}."},
    {"blocks.{n}.attn.proj.", "vit.encoder.layer.{n}.attention.output.dense."},
    {"blocks.{n}.norm2.", "vit.encoder.layer.{n}.layernorm_after."},
    {"blocks.{n}.mlp.fc1.", "vit.encoder.layer.{n}.intermediate.dense."},
    {"blocks.{n}.mlp.fc2.", "vit.encoder.layer.{n}.output.dense."},
    {"norm.", "vit.layernorm."},
    {"head.", "classifier."},
};

// DeiTForImageClassificationWithTeacher: the same below "deit.", and two heads.
constexpr NameRule kHfHeads[] = {{"head.", "cls_classifier."},
                                 {"head_dist.", "distillation_classifier."}};

Names torchvision(const std::string& own) { return apply_rules(kTorchvision, own); }
Names hf(const std::string& own) { return apply_rules(kHf, own); }

Names deit_hf(const std::string& own) {
    Names names = apply_rules(kHfHeads, own);
    if (names.front() != own) return names;
    names = hf(own);
    for (std::string& name : names)
        if (name.starts_with("vit.")) name = "deit." + name.substr(4);
    return names;
}

}  // namespace

std::vector<NameStyle> Vit::name_styles() const {
    std::vector<NameStyle> styles = {own_style("timm")};
    if (!config_.token_positions) return styles;
    if (config_.qkv_bias) styles.push_back({"torchvision", torchvision});
    if (config_.representation_size == 0)
        styles.push_back({"hf", hf, {}, {{"vit.", ""}}, {"vit.pooler.", "pooler."}});
    return styles;
}

std::vector<NameStyle> Deit::name_styles() const {
    // DeiTForImageClassification has the distillation token too, but one head.
    return {own_style("timm"),
            {"hf",
             deit_hf,
             {},
             {{"deit.", ""}, {"cls_classifier.", "classifier."}},
             {"deit.pooler.", "pooler."}}};
}

}  // namespace fovea
