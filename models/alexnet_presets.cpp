// Named networks of the AlexNet family.
#include "core/error.h"
#include "models/alexnet.h"
#include "models/registry.h"

namespace fovea {
namespace {

using Convs = std::vector<AlexNetConv>;
using Widths = std::vector<std::int64_t>;

/// A network of the 500px study: its 28 classes, and dropout, if asked for, behind every hidden layer.
AlexNetConfig of_500px(Convs convs, GridSize map, Widths hidden, double dropout = 0.0) {
    AlexNetConfig config;
    config.num_classes = 28;
    config.convs = std::move(convs);
    config.map = map;
    config.dropout.assign(hidden.size() + 1, dropout);
    config.dropout.front() = std::nullopt;
    config.hidden = std::move(hidden);
    return config;
}

/// AlexNet's five convolutions with pooling behind the first, second and fifth.
Convs five(const std::int64_t (&widths)[5], std::int64_t first_padding = 0) {
    return {{widths[0], 11, 4, first_padding, 3, 2},
            {widths[1], 5, 1, 2, 3, 2},
            {widths[2], 3, 1, 1},
            {widths[3], 3, 1, 1},
            {widths[4], 3, 1, 1, 3, 2}};
}

AlexNetConfig alexnet_500px() {
    return of_500px(five({96, 256, 384, 384, 256}), {6, 6}, {4096, 4096});
}

/// Fewer feature maps, half as many again in each layer.
AlexNetConfig narrow() { return of_500px(five({24, 36, 54, 81, 122}), {6, 6}, {3000, 2000}); }

/// The last two convolutions left out.
AlexNetConfig flat() {
    return of_500px({{96, 11, 4, 0, 2, 2}, {256, 5, 1, 2, 3, 2}, {384, 3, 1, 1, 3, 2}}, {6, 6},
                    {4096, 4096});
}

/// Lower and higher stride, against flat().
AlexNetConfig flat_ls() {
    return of_500px({{96, 11, 3, 0, 2, 1}, {256, 6, 2, 2, 3, 1}, {384, 4, 2, 1, 3, 1}}, {15, 15},
                    {4096, 4096});
}
AlexNetConfig flat_hs() {
    return of_500px({{96, 11, 5, 2, 2, 1}, {256, 6, 3, 2, 3, 1}, {384, 3, 3, 1, 3, 1}}, {3, 3},
                    {4096, 4096});
}

/// Smaller and larger filters, at the higher strides.
Convs low_kernel_convs() {
    return {{96, 6, 5, 2, 2, 1}, {256, 3, 3, 0, 3, 1}, {384, 2, 3, 2, 3, 1}};
}
AlexNetConfig flat_low_kernel() { return of_500px(low_kernel_convs(), {4, 4}, {4096, 4096}); }
AlexNetConfig flat_high_kernel() {
    return of_500px({{96, 17, 5, 0, 2, 1}, {256, 9, 3, 0, 3, 1}, {384, 4, 3, 0, 3, 1}}, {1, 1},
                    {4096, 4096});
}

/// Widths of the hidden layers from the study's own search.
AlexNetConfig flat_opt(double dropout = 0.0) {
    return of_500px(low_kernel_convs(), {4, 4}, {2379, 5592, 7864}, dropout);
}

AlexNetConfig flat_bn() {
    AlexNetConfig config = flat_opt();
    config.conv_norm = BatchNormPlace::AfterRelu;
    config.hidden_norm = true;
    return config;
}

/// torchvision's: other widths, and average pooling to 6x6, so that any image from 63x63 on will do.
AlexNetConfig torchvision() {
    AlexNetConfig config;
    config.image_size[0] = config.image_size[1] = 224;
    config.convs = five({64, 192, 384, 256, 256}, 2);
    config.adaptive_pool = GridSize{6, 6};
    config.hidden = {4096, 4096};
    config.dropout = {0.5, 0.5, std::nullopt};
    config.names = AlexNetNames::Sequential;
    return config;
}

/// The same layers on 67x67 images, for which the linear layers see a single pixel: about a fifteenth
/// of the arithmetic, for studies on a CPU. Hidden layers a quarter as wide, to fit the fewer features.
AlexNetConfig at_67(AlexNetConfig config) {
    config.image_size[0] = config.image_size[1] = 67;
    config.map = GridSize{1, 1};
    for (std::int64_t& width : config.hidden) width /= 4;
    return config;
}

AlexNetConfig grey_28(Convs convs, Widths hidden, std::vector<std::optional<double>> dropout) {
    AlexNetConfig config;
    config.num_classes = 10;
    config.in_channels = 1;
    config.image_size[0] = config.image_size[1] = 28;
    config.convs = std::move(convs);
    config.hidden = std::move(hidden);
    config.dropout = std::move(dropout);
    return config;
}

/// The network of PyTorch's MNIST example.
AlexNetConfig teacher_mnist() { return grey_28({{32}, {64, 3, 1, 0, 2, 2}}, {128}, {0.25, 0.5}); }

/// Pairs of convolutions with BatchNorm, in the manner of VGG.
AlexNetConfig with_batch_norm(AlexNetConfig config) {
    config.conv_norm = BatchNormPlace::BeforeRelu;
    config.names = AlexNetNames::Sequential;
    return config;
}
AlexNetConfig teacher_vgg() {
    const Convs convs = {{32, 3, 1, 1}, {32, 3, 1, 1, 2, 2}, {64, 3, 1, 1}, {64, 3, 1, 1, 2, 2}};
    return with_batch_norm(grey_28(convs, {256}, {std::nullopt, 0.5}));
}

/// Three pairs and the mean over the map: the teacher to take.
AlexNetConfig teacher_bn() {
    Convs convs;
    for (const std::int64_t width : {64, 128, 256}) {
        convs.push_back({width, 3, 1, 1});
        convs.push_back({width, 3, 1, 1, 2, 2});
    }
    AlexNetConfig config = with_batch_norm(grey_28(convs, {}, {0.0}));
    config.conv_bias = false;
    config.adaptive_pool = GridSize{1, 1};
    return config;
}

/// For tests: AlexNet's layers in milliseconds.
AlexNetConfig tiny() {
    AlexNetConfig config = of_500px(five({8, 16, 24, 24, 16}), {1, 1}, {32, 32});
    config.num_classes = 10;
    config.image_size[0] = config.image_size[1] = 67;
    return config;
}

/// For tests: BatchNorm in all places, a small image.
AlexNetConfig teacher_tiny() {
    AlexNetConfig config = with_batch_norm(
        grey_28({{6, 3, 1, 1, 2, 2}, {8, 3, 1, 1}, {8, 3, 2, 1}}, {12}, {0.0, 0.0}));
    config.hidden_norm = true;
    return config;
}

}  // namespace

std::optional<AlexNetConfig> alexnet_preset(std::string_view name) {
    if (name == "alexnet_500px") return alexnet_500px();
    if (name == "narrow_alexnet") return narrow();
    if (name == "flat_alexnet") return flat();
    if (name == "flat_alexnet_ls") return flat_ls();
    if (name == "flat_alexnet_hs") return flat_hs();
    if (name == "flat_alexnet_low_kernel") return flat_low_kernel();
    if (name == "flat_alexnet_high_kernel") return flat_high_kernel();
    if (name == "flat_alexnet_opt") return flat_opt();
    if (name == "dropout_network") return flat_opt(0.25);  // the study's best rate
    if (name == "flat_alexnet_bn") return flat_bn();
    if (name == "alexnet_67") return at_67(alexnet_500px());
    if (name == "narrow_alexnet_67") return at_67(narrow());
    if (name == "flat_alexnet_67") return at_67(flat());
    if (name == "alexnet") return torchvision();
    if (name == "teacher_mnist") return teacher_mnist();
    if (name == "teacher_vgg") return teacher_vgg();
    if (name == "teacher_bn") return teacher_bn();
    if (name == "alexnet_tiny") return tiny();
    if (name == "teacher_tiny") return teacher_tiny();
    return std::nullopt;
}

std::unique_ptr<Classifier> make_alexnet(const std::string& name, const ModelOptions& options) {
    AlexNetConfig config = *alexnet_preset(name);
    config.num_classes = or_own(options.num_classes, config.num_classes);
    config.in_channels = or_own(options.in_channels, config.in_channels);
    config.image_size[0] = or_own(options.height, config.image_size[0]);
    config.image_size[1] = or_own(options.width, config.image_size[1]);
    for (std::optional<double>& rate : config.dropout)
        if (rate) rate = or_own(options.dropout, *rate);
    if (options.drop_path > 0.0)
        throw Error("C04", name + " has no residual branches that drop-path could skip",
                    "--drop-path", "--dropout for its linear layers");
    return std::make_unique<AlexNet>(config);
}

}  // namespace fovea
