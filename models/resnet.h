// ResNet (He et al., "Deep residual learning for image recognition", CVPR 2016) as torchvision builds
// it: version 1.5, where the 3x3 convolution of a bottleneck carries the stride. Parameter names are
// torchvision's, which are timm's too.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "layers/conv2d.h"
#include "layers/dropout.h"
#include "layers/linear.h"
#include "layers/norm.h"
#include "models/classifier.h"

namespace fovea {

struct ModelOptions;

enum class ResNetBlockKind : std::uint8_t {
    Basic,       ///< 3x3, 3x3
    Bottleneck,  ///< 1x1, 3x3, 1x1
};

enum class ResNetStem : std::uint8_t {
    ImageNet,  ///< 7x7 stride 2, BatchNorm, ReLU, max pooling 3x3 stride 2
    Small,     ///< 3x3 stride 1, BatchNorm, ReLU: for images of 64x64 and less
};

struct ResNetConfig {
    std::int64_t num_classes = 1000, in_channels = 3;
    std::int64_t image_size[2] = {224, 224};  ///< for counting; any size works
    ResNetBlockKind block = ResNetBlockKind::Basic;
    std::int64_t layers[4] = {2, 2, 2, 2};         ///< blocks of each stage
    std::int64_t planes[4] = {64, 128, 256, 512};  ///< base width of each stage
    std::int64_t strides[4] = {1, 2, 2, 2};        ///< of each stage's first block
    std::int64_t expansion = 1;  ///< a block ends with planes * expansion channels
    /// The 3x3 convolution of a bottleneck is planes * width_per_group / 64 * groups wide (ResNeXt, wide
    /// ResNet).
    std::int64_t groups = 1, width_per_group = 64;
    ResNetStem stem = ResNetStem::ImageNet;
    std::int64_t stem_width = 64;
    bool zero_init_residual =
        false;               ///< blocks begin as identities (Goyal et al. 2017); --zero-init
    double dropout = 0.0;    ///< before the last layer
    double drop_path = 0.0;  ///< of the last block, rising evenly from 0 at the first
    double bn_eps = 1e-5, bn_momentum = 0.1;
};

/// relu(skip(x) + branch(x)), where skip is the identity or a 1x1 convolution with BatchNorm.
struct ResNetBlock : Module {
    /// A convolution without bias, and its BatchNorm.
    struct Step {
        Conv2d conv;
        BatchNorm2d bn;
    };
    std::vector<Step> branch;  ///< conv1, bn1, conv2, ...; ReLU between them
    std::optional<Step> skip;  ///< downsample.0 and downsample.1
    DropPath drop_path;

    ResNetBlock(const ResNetConfig& c, std::int64_t in, std::int64_t planes, std::int64_t stride,
                double drop_path_rate);
    void visit(Visitor& v) override;
    Tensor forward(const Tensor& x, const Pass& pass) const;
};

class ResNet : public Classifier {
public:
    /// Error C04: a basic block that expands or has groups, a stage without blocks.
    explicit ResNet(const ResNetConfig& config);

    void visit(Visitor& v) override;
    Tensor forward(const Tensor& images, const Pass& pass) const override;
    /// torchvision's: convolutions normal with variance 2 / fan_out, the last layer PyTorch's default.
    void initialise(std::uint64_t seed) override;
    Shape input_shape() const override {
        return {config_.image_size[0], config_.image_size[1], config_.in_channels};
    }
    std::int64_t classes() const override { return config_.num_classes; }
    std::int64_t macs() const override;
    std::vector<std::string> head_names() const override { return {"fc"}; }
    /// The last block.
    std::string explain_layer() const override {
        return "layer4." + std::to_string(config_.layers[3] - 1);
    }
    /// torchvision, timm (the same names), hf; none with the small stem.
    std::vector<NameStyle> name_styles() const override;

    const ResNetConfig& config() const { return config_; }

private:
    ResNetConfig config_;
    ResNetBlock::Step stem_;
    std::vector<ResNetBlock> stages_[4];
    Dropout dropout_;
    Linear fc_;
};

/// Named configurations: resnet18, resnet34, resnet50, resnet101 (torchvision); with _64 behind it for
/// 64x64 images of 200 classes; resnet_tiny and resnet_tiny_bottleneck (tests). Nothing for another name.
std::optional<ResNetConfig> resnet_preset(std::string_view name);

std::unique_ptr<Classifier> make_resnet(const std::string& name, const ModelOptions& options);

}  // namespace fovea
