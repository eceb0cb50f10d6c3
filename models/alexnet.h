// The AlexNet family: convolutions with ReLU and max pooling, then fully connected layers (Krizhevsky et
// al., "ImageNet classification with deep convolutional neural networks", NIPS 2012).
//
// One class holds all of them: the networks of the 500px study (photographs in 28 classes; flatter,
// narrower, with other strides, kernels and regularisers), torchvision's alexnet, and small networks
// for 28x28 images, which serve as teachers in distillation. None has local response normalisation.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "layers/conv2d.h"
#include "layers/dropout.h"
#include "layers/grid.h"
#include "layers/linear.h"
#include "layers/norm.h"
#include "models/classifier.h"

namespace fovea {

struct ModelOptions;

/// A convolution, its ReLU, and the max pooling behind it.
struct AlexNetConv {
    std::int64_t out = 64, kernel = 3, stride = 1, padding = 0;
    std::int64_t pool_kernel = 0, pool_stride = 0;  ///< 0: no pooling
};

enum class BatchNormPlace : std::uint8_t { None, BeforeRelu, AfterRelu };

enum class AlexNetNames : std::uint8_t {
    Numbered,    ///< conv1, conv1_bn, ..., fc1, fc1_bn, ... (500px)
    Sequential,  ///< features.N and classifier.N, where ReLU, pooling and dropout count (torchvision)
};

struct AlexNetConfig {
    std::int64_t num_classes = 1000, in_channels = 3;
    std::int64_t image_size[2] = {227, 227};
    std::vector<AlexNetConv> convs;
    bool conv_bias = true;
    BatchNormPlace conv_norm = BatchNormPlace::None;
    std::optional<GridSize>
        adaptive_pool;  ///< average pooling to this size before the linear layers
    /// Size of the maps that the first linear layer is made for; else what image_size comes to.
    std::optional<GridSize> map;
    std::vector<std::int64_t>
        hidden;                ///< widths of the linear layers before the last, ReLU behind each
    bool hidden_norm = false;  ///< BatchNorm between hidden layer and ReLU
    /// Rate before each linear layer, the last one too; nothing: no dropout in that place.
    std::vector<std::optional<double>> dropout;
    AlexNetNames names = AlexNetNames::Numbered;
    double bn_eps = 1e-5, bn_momentum = 0.1;
};

class AlexNet : public Classifier {
public:
    /// Error C04: an image size that the layers cannot take, lists of different lengths.
    explicit AlexNet(const AlexNetConfig& config);

    void visit(Visitor& v) override;
    Tensor forward(const Tensor& images, const Pass& pass) const override;
    /// PyTorch's defaults, which all of the authors kept.
    void initialise(std::uint64_t seed) override;
    Shape input_shape() const override {
        return {config_.image_size[0], config_.image_size[1], config_.in_channels};
    }
    std::int64_t classes() const override { return config_.num_classes; }
    std::int64_t macs() const override;
    std::vector<std::string> head_names() const override { return {linears_.back().name}; }
    std::string explain_layer() const override { return convs_.back().name; }
    /// torchvision (alexnet) or study (the 500px networks).
    std::vector<NameStyle> name_styles() const override;

    const AlexNetConfig& config() const { return config_; }

private:
    struct ConvLayer {
        std::string name, norm_name;  // empty: there is none
        Conv2d conv;
        BatchNorm2d norm;
    };
    struct LinearLayer {
        std::string dropout_name, name, norm_name;
        Dropout dropout;
        Linear linear;
        BatchNorm2d norm;
    };

    void add_convolutions();
    void add_linear_layers(GridSize map);

    AlexNetConfig config_;
    std::vector<ConvLayer> convs_;
    std::vector<LinearLayer> linears_;
};

/// Named configurations; see alexnet_presets.cpp. Nothing for another name.
std::optional<AlexNetConfig> alexnet_preset(std::string_view name);

/// Error C04: a size of image that the preset does not take, or drop-path, which has no branch to drop.
std::unique_ptr<Classifier> make_alexnet(const std::string& name, const ModelOptions& options);

}  // namespace fovea
