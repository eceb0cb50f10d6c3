#include "models/simplified_cvt.h"

#include "models/vit.h"

namespace fovea {
namespace {

enum class Size : std::uint8_t { Small, Medium };

CvtStageConfig stage(std::int64_t width, std::int64_t depth, std::int64_t heads) {
    CvtStageConfig s;
    s.embed_dim = width;
    s.depth = depth;
    s.num_heads = heads;
    s.conv_projection = false;
    return s;
}

/// Stages of plain ViT blocks; CvT's first embedding (k7 s4 p2), its class token in the last stage.
CvtConfig plain(std::vector<CvtStageConfig> stages) {
    CvtConfig config;
    config.num_classes = 200;
    config.image_size[0] = config.image_size[1] = 64;
    config.stages = std::move(stages);
    config.stages.front().patch_size = 7;
    config.stages.front().stride = 4;
    config.stages.front().padding = 2;
    config.stages.back().class_token = true;
    config.activation = Unary::GeluErf;
    config.packed_qkv = config.scale_by_head_dim = true;
    config.ln_eps = 1e-6;
    return config;
}

/// Is CvT's gain its first, overlapping embedding? Against vit_p4, which has as many tokens (16x16), only
/// that differs, and the positions, which overlapping windows with padding make unnecessary.
CvtConfig simple_embed(Size size) {
    return plain({size == Size::Small ? stage(256, 8, 4) : stage(384, 11, 6)});
}

/// Does a deeper stem do better? Two convolutions come to the same 16x16 tokens; Xiao et al. ("Early
/// convolutions help transformers see better", 2021) find that such stems ease the training.
CvtConfig with_two_convolutions(CvtConfig config) {
    config.stages.front().embed = CvtEmbed::DoubleConv;
    return config;
}

/// Is it the pyramid? Convolutions between the stages take 256 tokens to 64 and 16 while the width grows:
/// most blocks run where they are cheap, at about a tenth of simple_embed's arithmetic.
CvtConfig recurrent(Size size) {
    return size == Size::Small ? plain({stage(64, 1, 1), stage(192, 2, 3), stage(320, 4, 5)})
                               : plain({stage(64, 1, 1), stage(192, 2, 3), stage(384, 10, 6)});
}

/// For tests: with recurrent()'s parts and the others that cvt_tiny does not have, in milliseconds.
CvtConfig tiny() {
    CvtConfig config = plain({stage(8, 1, 1), stage(16, 1, 2), stage(24, 2, 3)});
    config.num_classes = 10;
    config.stages.back().class_token = false;
    config.mean_head = true;
    return config;
}

/// What do the convolutional projections add? Only they, QuickGELU, the scale and the epsilon of the
/// published CvT differ from recurrent(): 33 parameters a channel and block.
CvtConfig reference(Size size) {
    CvtConfig config = recurrent(size);
    for (CvtStageConfig& s : config.stages) s.conv_projection = true;
    config.activation = Unary::QuickGelu;
    config.packed_qkv = config.scale_by_head_dim = false;
    config.ln_eps = 1e-5;
    return config;
}

/// The controls: patches that do not overlap, and learnt positions. vit_p4 has the tokens of
/// simple_embed; vit_p8 a quarter of them, at about the arithmetic of twice recurrent().
VitConfig vit_control(std::string_view name) {
    const bool small = name != "vit_p4_m";
    const std::int64_t patch = name == "vit_p8_s" ? 8 : 4;
    VitConfig config;
    config.num_classes = 200;
    config.image_size = {64, 64};
    config.patch_size = {patch, patch};
    config.embed_dim = small ? 256 : 384;
    config.depth = small ? 8 : 11;
    config.num_heads = small ? 4 : 6;
    config.mlp_hidden = 4 * config.embed_dim;
    return config;
}

}  // namespace

std::optional<CvtConfig> simplified_cvt_preset(std::string_view name) {
    if (name == "cvt_recurrent_enhanced_test") return with_two_convolutions(tiny());
    const auto ends_with = [&](std::string_view end) { return name.ends_with(end); };
    if (!ends_with("_s") && !ends_with("_m")) return std::nullopt;
    const Size size = ends_with("_s") ? Size::Small : Size::Medium;
    const std::string_view kind = name.substr(0, name.size() - 2);
    if (kind == "cvt_simple_embed") return simple_embed(size);
    if (kind == "cvt_enhanced_embed") return with_two_convolutions(simple_embed(size));
    if (kind == "cvt_recurrent") return recurrent(size);
    if (kind == "cvt_recurrent_enhanced") return with_two_convolutions(recurrent(size));
    if (kind == "cvt_ref") return reference(size);
    return std::nullopt;
}

std::unique_ptr<Classifier> make_vit_control(const std::string& name, const ModelOptions& options) {
    return std::make_unique<Vit>(with_options(vit_control(name), options));
}

}  // namespace fovea
