// Named ResNets.
#include <algorithm>

#include "models/registry.h"
#include "models/resnet.h"

namespace fovea {
namespace {

ResNetConfig basic(const std::int64_t (&layers)[4]) {
    ResNetConfig config;
    std::copy(std::begin(layers), std::end(layers), config.layers);
    return config;
}

ResNetConfig bottleneck(const std::int64_t (&layers)[4]) {
    ResNetConfig config = basic(layers);
    config.block = ResNetBlockKind::Bottleneck;
    config.expansion = 4;
    return config;
}

/// For 64x64 images, as of Tiny ImageNet: the stem keeps their size, so that the stages see 64, 32, 16
/// and 8 pixels a side instead of 16 to 2.
ResNetConfig at_64(ResNetConfig config) {
    config.num_classes = 200;
    config.image_size[0] = config.image_size[1] = 64;
    config.stem = ResNetStem::Small;
    return config;
}

/// For tests: every part of a ResNet in milliseconds.
ResNetConfig tiny(ResNetConfig config, const std::int64_t (&planes)[4]) {
    std::copy(std::begin(planes), std::end(planes), config.planes);
    config.num_classes = 10;
    config.image_size[0] = config.image_size[1] = 48;
    config.stem_width = 8;
    return config;
}

}  // namespace

std::optional<ResNetConfig> resnet_preset(std::string_view name) {
    if (name == "resnet18") return basic({2, 2, 2, 2});
    if (name == "resnet34") return basic({3, 4, 6, 3});
    if (name == "resnet50") return bottleneck({3, 4, 6, 3});
    if (name == "resnet101") return bottleneck({3, 4, 23, 3});
    if (name == "resnet18_64") return at_64(basic({2, 2, 2, 2}));
    if (name == "resnet34_64") return at_64(basic({3, 4, 6, 3}));
    if (name == "resnet50_64") return at_64(bottleneck({3, 4, 6, 3}));
    if (name == "resnet101_64") return at_64(bottleneck({3, 4, 23, 3}));
    if (name == "resnet_tiny") return tiny(basic({1, 1, 1, 1}), {8, 16, 24, 32});
    if (name == "resnet_tiny_bottleneck") return tiny(bottleneck({2, 1, 1, 1}), {4, 8, 12, 16});
    return std::nullopt;
}

std::unique_ptr<Classifier> make_resnet(const std::string& name, const ModelOptions& options) {
    ResNetConfig config = *resnet_preset(name);
    config.num_classes = or_own(options.num_classes, config.num_classes);
    config.in_channels = or_own(options.in_channels, config.in_channels);
    config.image_size[0] = or_own(options.height, config.image_size[0]);
    config.image_size[1] = or_own(options.width, config.image_size[1]);
    config.dropout = or_own(options.dropout, config.dropout);
    config.drop_path = or_own(options.drop_path, config.drop_path);
    config.zero_init_residual = options.zero_init;
    return std::make_unique<ResNet>(config);
}

}  // namespace fovea
