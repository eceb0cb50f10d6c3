// The Swin that a golden file describes.
#include "models/swin.h"
#include "tests/parity/families.h"

namespace fovea::parity {
namespace {

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
    config.patch_size = grid_from(m.at("patch_size"));
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
    choose<bool>(m.at("naming"), {{"torchvision", true}, {"timm", true}, {"microsoft", true}});
    return std::make_unique<Swin>(config);
}

}  // namespace fovea::parity
