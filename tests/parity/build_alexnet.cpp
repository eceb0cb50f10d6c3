// The networks of the AlexNet family that golden files describe.
#include "models/alexnet.h"
#include "tests/parity/families.h"

namespace fovea::parity {
namespace {

void read_common(const Json& m, AlexNetConfig& config) {
    config.num_classes = m.at("num_classes");
    config.in_channels = m.at("in_channels");
    config.image_size[0] = m.at("image_size")[0];
    config.image_size[1] = m.at("image_size")[1];
    if (m.at("drop_path") != 0.0) throw Unsupported("drop_path");
    config.hidden = m.at("fc").get<std::vector<std::int64_t>>();
    config.hidden.pop_back();  // the last one is the classes
}

AlexNetConfig alexnet(const Json& m) {
    require_only(m, {"num_classes", "in_channels", "image_size", "dropout", "drop_path", "naming",
                     "conv", "pools", "adaptive_pool", "fc"});
    AlexNetConfig config;
    read_common(m, config);
    for (const Json& conv : m.at("conv")) {
        require_only(conv, {"out", "kernel", "stride", "padding"});
        config.convs.push_back(
            {conv.at("out"), conv.at("kernel"), conv.at("stride"), conv.at("padding")});
    }
    for (const Json& pool : m.at("pools")) {
        require_only(pool, {"after", "kernel", "stride"});
        AlexNetConv& conv = config.convs.at(pool.at("after").get<std::size_t>() - 1);
        conv.pool_kernel = pool.at("kernel");
        conv.pool_stride = pool.at("stride");
    }
    if (!m.at("adaptive_pool").is_null())
        config.adaptive_pool = GridSize{m.at("adaptive_pool")[0], m.at("adaptive_pool")[1]};
    config.dropout.assign(config.hidden.size() + 1, m.at("dropout").get<double>());
    return config;
}

}  // namespace

std::unique_ptr<Classifier> build_alexnet_500px(const Json& m) {
    AlexNetConfig config = alexnet(m);
    config.names = choose<AlexNetNames>(m.at("naming"), {{"500px", AlexNetNames::Numbered}});
    config.dropout.front() = std::nullopt;
    return std::make_unique<AlexNet>(config);
}

std::unique_ptr<Classifier> build_alexnet_torchvision(const Json& m) {
    AlexNetConfig config = alexnet(m);
    config.names =
        choose<AlexNetNames>(m.at("naming"), {{"torchvision", AlexNetNames::Sequential}});
    config.dropout.back() = std::nullopt;
    return std::make_unique<AlexNet>(config);
}

std::unique_ptr<Classifier> build_teacher_vgg(const Json& m) {
    require_only(
        m, {"num_classes", "in_channels", "image_size", "dropout", "drop_path", "naming", "stages",
            "kernel", "padding", "conv_bias", "pools", "fc", "bn_eps", "bn_momentum"});
    require_only(m.at("pools"), {"kernel", "stride"});
    AlexNetConfig config;
    read_common(m, config);
    config.names = choose<AlexNetNames>(m.at("naming"), {{"study", AlexNetNames::Sequential}});
    config.conv_norm = BatchNormPlace::BeforeRelu;
    config.conv_bias = m.at("conv_bias");
    config.bn_eps = m.at("bn_eps");
    config.bn_momentum = m.at("bn_momentum");
    for (const Json& widths : m.at("stages")) {
        for (const Json& width : widths)
            config.convs.push_back({width, m.at("kernel"), 1, m.at("padding")});
        config.convs.back().pool_kernel = m.at("pools").at("kernel");
        config.convs.back().pool_stride = m.at("pools").at("stride");
    }
    config.dropout.assign(config.hidden.size() + 1, m.at("dropout").get<double>());
    config.dropout.front() = std::nullopt;
    return std::make_unique<AlexNet>(config);
}

}  // namespace fovea::parity
