// Named Swin configurations.
#include "models/swin.h"

namespace fovea {
namespace {

// configs/swin/*.yaml of the authors: heads of 32 channels.
SwinConfig published(std::int64_t width, std::int64_t depth, double drop_path) {
    SwinConfig config;
    config.embed_dim = width;
    config.depths = {2, 2, depth, 2};
    const std::int64_t heads = width / 32;
    config.num_heads = {heads, 2 * heads, 4 * heads, 8 * heads};
    config.drop_path = drop_path;
    return config;
}

SwinConfig at_384(SwinConfig config) {
    config.image_size = {384, 384};
    config.window = {12, 12};
    return config;
}

// For 28x28: 14x14 tokens in four windows, then 7x7 in one. 8.7 M multiply-adds for a grey image.
SwinConfig small_28() {
    SwinConfig config;
    config.num_classes = 10;
    config.in_channels = 1;
    config.image_size = {28, 28};
    config.patch_size = {2, 2};
    config.embed_dim = 32;
    config.depths = {2, 2};
    config.num_heads = {2, 4};
    config.mlp_ratio = 2.0;
    return config;
}

// For 64x64: what Lee et al. ("Vision transformer for small-size datasets", 2021) compare with.
SwinConfig small_64() {
    SwinConfig config;
    config.num_classes = 200;
    config.image_size = {64, 64};
    config.depths = {2, 6, 4};
    config.num_heads = {3, 6, 12};
    config.window = {4, 4};
    config.mlp_ratio = 2.0;
    config.drop_path = 0.1;
    return config;
}

// For tests: two stages, a shift, in milliseconds.
SwinConfig tiny() {
    SwinConfig config;
    config.num_classes = 10;
    config.image_size = {32, 32};
    config.embed_dim = 16;
    config.depths = {2, 2};
    config.num_heads = {2, 4};
    config.window = {4, 4};
    return config;
}

}  // namespace

std::optional<SwinConfig> swin_preset(std::string_view name) {
    if (name == "swin_t" || name == "swin_tiny_patch4_window7_224") return published(96, 6, 0.2);
    if (name == "swin_s" || name == "swin_small_patch4_window7_224") return published(96, 18, 0.3);
    if (name == "swin_b" || name == "swin_base_patch4_window7_224") return published(128, 18, 0.5);
    if (name == "swin_l" || name == "swin_large_patch4_window7_224") return published(192, 18, 0.2);
    if (name == "swin_base_patch4_window12_384") return at_384(published(128, 18, 0.5));
    if (name == "swin_large_patch4_window12_384") return at_384(published(192, 18, 0.2));
    if (name == "swin_28") return small_28();
    if (name == "swin_64") return small_64();
    if (name == "swin_test") return tiny();
    return std::nullopt;
}

std::unique_ptr<Classifier> make_swin(const std::string& name, const ModelOptions& options) {
    SwinConfig config = *swin_preset(name);
    config.num_classes = or_own(options.num_classes, config.num_classes);
    config.in_channels = or_own(options.in_channels, config.in_channels);
    config.image_size.rows = or_own(options.height, config.image_size.rows);
    config.image_size.columns = or_own(options.width, config.image_size.columns);
    config.dropout = or_own(options.dropout, config.dropout);
    config.drop_path = or_own(options.drop_path, config.drop_path);
    config.rule = options.swin_padding.value_or(config.rule);
    return std::make_unique<Swin>(config);
}

}  // namespace fovea
