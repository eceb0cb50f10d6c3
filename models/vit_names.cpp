// torchvision's spelling of ViT's tensor names.
#include <array>

#include "models/vit.h"

namespace fovea {
namespace {

struct NamePair {
    const char *torchvision, *timm;
};

// Behind "encoder.layers.encoder_layer_{i}." / "blocks.{i}.". linear_1 and linear_2 are older files'.
constexpr std::array<NamePair, 8> kBlockParts = {{
    {"ln_1.", "norm1."},
    {"self_attention.in_proj_", "attn.qkv."},
    {"self_attention.out_proj.", "attn.proj."},
    {"ln_2.", "norm2."},
    {"mlp.0.", "mlp.fc1."},
    {"mlp.3.", "mlp.fc2."},
    {"mlp.linear_1.", "mlp.fc1."},
    {"mlp.linear_2.", "mlp.fc2."},
}};
constexpr std::array<NamePair, 6> kTopParts = {{
    {"class_token", "cls_token"},
    {"conv_proj.", "patch_embed.proj."},
    {"encoder.pos_embedding", "pos_embed"},
    {"encoder.ln.", "norm."},
    {"heads.pre_logits.", "pre_logits.fc."},
    {"heads.head.", "head."},
}};

template <std::size_t N>
std::optional<std::string> translate(const std::string& name,
                                     const std::array<NamePair, N>& table) {
    for (const NamePair& pair : table)
        if (name.starts_with(pair.torchvision))
            return pair.timm + name.substr(std::string_view(pair.torchvision).size());
    return std::nullopt;
}

/// The other way. Of two names for one part the first one is today's.
template <std::size_t N>
std::optional<std::string> translate_back(const std::string& name,
                                          const std::array<NamePair, N>& table) {
    for (const NamePair& pair : table)
        if (name.starts_with(pair.timm))
            return pair.torchvision + name.substr(std::string_view(pair.timm).size());
    return std::nullopt;
}

}  // namespace

std::optional<std::string> vit_name_from_torchvision(const std::string& name) {
    const std::string block = "encoder.layers.encoder_layer_";
    if (!name.starts_with(block)) return translate(name, kTopParts);
    const std::size_t end = name.find('.', block.size());
    if (end == std::string::npos) return std::nullopt;
    const auto part = translate(name.substr(end + 1), kBlockParts);
    if (!part) return std::nullopt;
    return "blocks." + name.substr(block.size(), end - block.size()) + "." + *part;
}

std::string vit_name_to_torchvision(const std::string& name) {
    const std::string block = "blocks.";
    if (!name.starts_with(block)) return translate_back(name, kTopParts).value_or(name);
    const std::size_t end = name.find('.', block.size());
    if (end == std::string::npos) return name;
    const auto part = translate_back(name.substr(end + 1), kBlockParts);
    if (!part) return name;
    return "encoder.layers.encoder_layer_" + name.substr(block.size(), end - block.size()) + "." +
           *part;
}

}  // namespace fovea
