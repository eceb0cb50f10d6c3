// The ResNet that a golden file describes.
#include "models/resnet.h"
#include "tests/parity/families.h"

namespace fovea::parity {

std::unique_ptr<Classifier> build_resnet(const Json& m) {
    require_only(m, {"num_classes", "in_channels", "image_size", "dropout", "drop_path", "naming",
                     "block", "layers", "planes", "strides", "expansion", "groups",
                     "width_per_group", "stem", "stem_width", "bn_eps", "bn_momentum"});
    choose<bool>(m.at("naming"), {{"torchvision", true}});
    ResNetConfig config;
    config.num_classes = m.at("num_classes");
    config.in_channels = m.at("in_channels");
    config.image_size[0] = m.at("image_size")[0];
    config.image_size[1] = m.at("image_size")[1];
    config.dropout = m.at("dropout");
    config.drop_path = m.at("drop_path");
    config.block = choose<ResNetBlockKind>(
        m.at("block"),
        {{"basic", ResNetBlockKind::Basic}, {"bottleneck", ResNetBlockKind::Bottleneck}});
    for (std::size_t i = 0; i < 4; ++i) {
        config.layers[i] = m.at("layers").at(i);
        config.planes[i] = m.at("planes").at(i);
        config.strides[i] = m.at("strides").at(i);
    }
    config.expansion = m.at("expansion");
    config.groups = m.at("groups");
    config.width_per_group = m.at("width_per_group");
    config.stem = choose<ResNetStem>(m.at("stem"), {{"imagenet", ResNetStem::ImageNet}});
    config.stem_width = m.at("stem_width");
    config.bn_eps = m.at("bn_eps");
    config.bn_momentum = m.at("bn_momentum");
    return std::make_unique<ResNet>(config);
}

}  // namespace fovea::parity
