// Named ViT and DeiT configurations and their cost.
#include <map>

#include "models/vit.h"

namespace fovea {
namespace {

VitConfig of_size(std::int64_t width, std::int64_t depth, std::int64_t heads,
                  std::int64_t patch = 16, std::int64_t side = 224) {
    VitConfig c;
    c.embed_dim = width;
    c.depth = depth;
    c.num_heads = heads;
    c.mlp_hidden = 4 * width;
    c.patch_size = {patch, patch};
    c.image_size = {side, side};
    return c;
}

VitConfig torchvision(VitConfig c) {
    c.init = VitInit::Torchvision;
    return c;
}

// Touvron et al. 2021 train all sizes with drop-path 0.1.
VitConfig deit(VitConfig c) {
    c.drop_path = 0.1;
    return c;
}

VitConfig small_images(VitConfig c, std::int64_t channels, std::int64_t classes) {
    c.in_channels = channels;
    c.num_classes = classes;
    c.mlp_hidden = 2 * c.embed_dim;
    return c;
}

// The ViT that Lee et al. ("Vision transformer for small-size datasets", 2021) train on Tiny ImageNet.
VitConfig tiny_imagenet() {
    VitConfig c = small_images(of_size(192, 9, 12, 8, 64), 3, 200);
    c.qkv_bias = false;
    c.ln_eps = 1e-5;
    c.drop_path = 0.1;
    return c;
}

const std::map<std::string_view, VitConfig>& presets() {
    static const std::map<std::string_view, VitConfig> all = [] {
        const VitConfig tiny = of_size(192, 12, 3), small = of_size(384, 12, 6),
                        base = of_size(768, 12, 12), large = of_size(1024, 24, 16),
                        base32 = of_size(768, 12, 12, 32), base384 = of_size(768, 12, 12, 16, 384),
                        test = small_images(of_size(24, 3, 3, 4, 24), 3, 10);
        return std::map<std::string_view, VitConfig>{
            {"vit_tiny_patch16_224", tiny},
            {"vit_small_patch16_224", small},
            {"vit_small_patch32_224", of_size(384, 12, 6, 32)},
            {"vit_base_patch16_224", base},
            {"vit_base_patch16_384", base384},
            {"vit_base_patch32_224", base32},
            {"vit_large_patch16_224", large},
            {"vit_b_16", torchvision(base)},
            {"vit_b_32", torchvision(base32)},
            {"vit_l_16", torchvision(large)},
            {"deit_tiny_patch16_224", deit(tiny)},
            {"deit_small_patch16_224", deit(small)},
            {"deit_base_patch16_224", deit(base)},
            {"deit_base_patch16_384", deit(base384)},
            {"deit_tiny_distilled_patch16_224", deit(tiny)},
            {"deit_small_distilled_patch16_224", deit(small)},
            {"deit_base_distilled_patch16_224", deit(base)},
            {"deit_base_distilled_patch16_384", deit(base384)},
            {"vit_28", small_images(of_size(96, 6, 3, 4, 28), 1, 10)},
            {"vit_64", tiny_imagenet()},
            {"vit_test", test},
            {"deit_test", test},
        };
    }();
    return all;
}

}  // namespace

std::optional<VitConfig> vit_preset(std::string_view name) {
    const auto found = presets().find(name);
    return found == presets().end() ? std::nullopt : std::optional(found->second);
}

VitConfig with_options(VitConfig c, const ModelOptions& options) {
    c.num_classes = or_own(options.num_classes, c.num_classes);
    c.in_channels = or_own(options.in_channels, c.in_channels);
    c.image_size.rows = or_own(options.height, c.image_size.rows);
    c.image_size.columns = or_own(options.width, c.image_size.columns);
    c.dropout = or_own(options.dropout, c.dropout);
    c.drop_path = or_own(options.drop_path, c.drop_path);
    return c;
}

std::unique_ptr<Classifier> make_vit(const std::string& name, const ModelOptions& options) {
    return std::make_unique<Vit>(with_options(*vit_preset(name), options));
}

std::int64_t vit_trunk_macs(const VitConfig& c, bool distilled) {
    const std::int64_t d = c.embed_dim;
    const std::int64_t patches =
        (c.image_size.rows / c.patch_size.rows) * (c.image_size.columns / c.patch_size.columns);
    const std::int64_t tokens = patches + (distilled ? 2 : 1);
    const std::int64_t block =
        tokens * (4 * d * d + 2 * d * c.mlp_hidden) + 2 * tokens * tokens * d;
    return patches * c.patch_size.area() * c.in_channels * d + c.depth * block;
}

}  // namespace fovea
