// The Swin that a golden file describes.
#include "models/swin.h"
#include "tests/parity/families.h"

namespace fovea::parity {
namespace {

/// Names are translated one by one here, so the model must be told whose "downsample" it sees.
struct MicrosoftSwin : Swin {
    using Swin::Swin;
    std::string own_name(const std::string& foreign) const override {
        return swin_name_from(foreign, true);
    }
};

GridSize grid_from(const Json& list) { return {list.at(0), list.at(1)}; }

}  // namespace

std::unique_ptr<Classifier> build_swin(const Json& m) {
    require_only(m, {"num_classes", "in_channels", "image_size", "dropout", "drop_path", "naming",
                     "patch_size", "embed_dim", "depths", "num_heads", "window", "mlp_ratio",
                     "ln_eps", "qkv_bias", "activation", "padding", "window_shrink", "head"});
    choose<bool>(m.at("head"), {{"mean", true}});
    SwinConfig config;
    config.num_classes = m.at("num_classes");
    config.in_channels = m.at("in_channels");
    config.image_size = grid_from(m.at("image_size"));
    config.patch_size = m.at("patch_size").at(0);
    if (m.at("patch_size").at(1) != config.patch_size) throw Unsupported("a patch not square");
    config.embed_dim = m.at("embed_dim");
    config.depths = m.at("depths").get<std::vector<std::int64_t>>();
    config.num_heads = m.at("num_heads").get<std::vector<std::int64_t>>();
    config.window = grid_from(m.at("window"));
    config.mlp_ratio = m.at("mlp_ratio");
    config.qkv_bias = m.at("qkv_bias");
    config.activation = activation_from(m.at("activation"));
    config.ln_eps = m.at("ln_eps");
    config.dropout = m.at("dropout");
    config.drop_path = m.at("drop_path");
    config.rule = choose<SwinRule>(m.at("padding"), {{"torchvision", SwinRule::Torchvision},
                                                     {"timm", SwinRule::Timm},
                                                     {"none", SwinRule::Microsoft}});
    if (m.at("window_shrink") != (config.rule != SwinRule::Torchvision))
        throw Unsupported("window_shrink that is not the padding's");
    const bool microsoft = choose<bool>(
        m.at("naming"), {{"torchvision", false}, {"timm", false}, {"microsoft", true}});
    if (microsoft) return std::make_unique<MicrosoftSwin>(config);
    return std::make_unique<Swin>(config);
}

}  // namespace fovea::parity
