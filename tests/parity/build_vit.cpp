// The ViT, DeiT or student ViT that a golden file describes.
#include "models/deit.h"
#include "tests/parity/families.h"

namespace fovea::parity {
namespace {

// Keys that a model of the family cannot have otherwise are required to be so.
void require(const Json& m, const char* key, const Json& value) {
    if (m.at(key) != value) throw Unsupported(key + (" " + m.at(key).dump()));
}

GridSize size_from(const Json& pair) { return {pair.at(0), pair.at(1)}; }

VitConfig config_from(const Json& m) {
    require_only(
        m, {"num_classes", "in_channels", "image_size", "dropout", "drop_path", "naming",
            "patch_size", "embed_dim", "depth", "num_heads", "mlp_ratio", "mlp_hidden", "qkv_bias",
            "ln_eps", "activation", "head", "head_dist", "distilled", "position_rows"});
    VitConfig config;
    config.num_classes = m.at("num_classes");
    config.in_channels = m.at("in_channels");
    config.image_size = size_from(m.at("image_size"));
    config.patch_size = size_from(m.at("patch_size"));
    config.embed_dim = m.at("embed_dim");
    config.depth = m.at("depth");
    config.num_heads = m.at("num_heads");
    config.mlp_hidden = m.at("mlp_hidden");
    config.qkv_bias = m.at("qkv_bias");
    config.activation = activation_from(m.at("activation"));
    config.ln_eps = m.at("ln_eps");
    config.dropout = m.at("dropout");
    config.drop_path = m.at("drop_path");
    if (choose<bool>(m.at("head"), {{"tanh_mlp", true}, {"linear", false}}))
        config.representation_size = config.embed_dim;
    config.token_positions =
        choose<bool>(m.at("position_rows"), {{"with_class", true}, {"patches_only", false}});
    return config;
}

}  // namespace

std::unique_ptr<Classifier> build_vit(const Json& m) {
    require(m, "distilled", false);
    require(m, "head_dist", nullptr);
    choose<bool>(m.at("naming"), {{"timm", true}, {"torchvision", true}});
    return std::make_unique<Vit>(config_from(m));
}

std::unique_ptr<Classifier> build_student_vit(const Json& m) {
    require(m, "distilled", false);
    require(m, "head_dist", nullptr);
    require(m, "naming", "s2");
    return std::make_unique<StudentVit>(config_from(m));
}

std::unique_ptr<Classifier> build_deit(const Json& m) {
    require(m, "distilled", true);
    require(m, "head_dist", "linear");
    if (choose<bool>(m.at("naming"), {{"timm", false}, {"s2", true}}))
        return std::make_unique<MyDeit>(config_from(m));
    require(m, "head", "linear");
    return std::make_unique<Deit>(config_from(m));
}

}  // namespace fovea::parity
