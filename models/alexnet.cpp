#include "models/alexnet.h"

#include "core/error.h"
#include "core/ops/check.h"
#include "core/ops/elementwise.h"
#include "core/ops/pool.h"
#include "core/ops/shape_ops.h"
#include "layers/init.h"

namespace fovea {
namespace {

PoolParams pooling(const AlexNetConv& c) {
    return {{c.pool_kernel, c.pool_kernel}, {c.pool_stride, c.pool_stride}, {0, 0}, false, true};
}

/// Extents of the map behind a convolution, and behind its pooling.
GridSize convolved(GridSize in, const AlexNetConv& c) {
    const ConvParams p{{c.stride, c.stride}, {c.padding, c.padding}, {1, 1}, 1};
    return {p.out(0, in.rows, c.kernel), p.out(1, in.columns, c.kernel)};
}
GridSize pooled(GridSize in, const AlexNetConv& c) {
    if (c.pool_kernel == 0) return in;
    return {pooling(c).out(0, in.rows), pooling(c).out(1, in.columns)};
}

/// Of the map behind the last convolution; with an area of 0 where the image is too small.
GridSize last_map(const AlexNetConfig& config, GridSize map) {
    for (const AlexNetConv& c : config.convs)
        if (map.area() > 0) map = pooled(convolved(map, c), c);
    return map;
}

std::string spell(GridSize size) {
    return std::to_string(size.rows) + "x" + std::to_string(size.columns);
}

/// "67 to 98": the sides of square images that come to a usable map.
std::string fitting_sides(const AlexNetConfig& config) {
    std::int64_t smallest = 0, largest = 0;
    for (std::int64_t side = 1024; side > 0; --side) {
        const GridSize map = last_map(config, {side, side});
        if (map.area() == 0 || (config.map && !config.adaptive_pool && !(map == *config.map)))
            continue;
        if (largest == 0) largest = side;
        smallest = side;
    }
    if (largest == 0) return "";
    return largest == 1024 ? std::to_string(smallest) + " or more"
                           : std::to_string(smallest) + " to " + std::to_string(largest);
}

/// The map that the first linear layer sees. Error C04 if the image does not come to it.
GridSize checked_map(const AlexNetConfig& config) {
    const GridSize image{config.image_size[0], config.image_size[1]};
    const GridSize map = last_map(config, image);
    if (map.area() == 0)
        throw Error("C04", "images of " + spell(image) + " are too small for these convolutions",
                    "--img-size", fitting_sides(config));
    if (config.adaptive_pool) return *config.adaptive_pool;
    if (config.map && !(map == *config.map))
        throw Error("C04",
                    "images of " + spell(image) + " come to maps of " + spell(map) +
                        ", but the first linear layer is made for " + spell(*config.map),
                    "--img-size", fitting_sides(config));
    return map;
}

}  // namespace

AlexNet::AlexNet(const AlexNetConfig& config) : config_(config) {
    if (config.convs.empty() || config.dropout.size() != config.hidden.size() + 1)
        throw Error(
            "C04",
            "an AlexNet needs a convolution, and a place for dropout before each linear layer");
    add_convolutions();
    add_linear_layers(checked_map(config));
    assign_sites(*this);
}

void AlexNet::add_convolutions() {
    const bool numbered = config_.names == AlexNetNames::Numbered;
    std::int64_t in = config_.in_channels, module = 0;
    for (const AlexNetConv& c : config_.convs) {
        ConvLayer layer;
        layer.conv = Conv2d(in, c.out, c.kernel, c.stride, c.padding, 1, config_.conv_bias);
        layer.name = numbered ? "conv" + std::to_string(convs_.size() + 1)
                              : "features." + std::to_string(module);
        module += 2;  // itself and its ReLU
        if (config_.conv_norm != BatchNormPlace::None) {
            layer.norm = BatchNorm2d(c.out, config_.bn_eps, config_.bn_momentum);
            const bool behind = config_.conv_norm == BatchNormPlace::AfterRelu;
            layer.norm_name = numbered ? layer.name + "_bn"
                                       : "features." + std::to_string(behind ? module : module - 1);
            ++module;
        }
        if (c.pool_kernel > 0) ++module;
        convs_.push_back(std::move(layer));
        in = c.out;
    }
}

void AlexNet::add_linear_layers(GridSize map) {
    const bool numbered = config_.names == AlexNetNames::Numbered;
    std::vector<std::int64_t> widths = config_.hidden;
    widths.push_back(config_.num_classes);
    std::int64_t in = map.area() * config_.convs.back().out, module = 0;
    for (std::size_t i = 0; i < widths.size(); ++i) {
        LinearLayer layer;
        const std::string number = std::to_string(i + 1);
        if (config_.dropout[i]) {
            layer.dropout = Dropout(*config_.dropout[i]);
            layer.dropout_name =
                numbered ? "dropout" + number : "classifier." + std::to_string(module);
            ++module;
        }
        layer.linear = Linear(in, widths[i]);
        layer.name = numbered ? "fc" + number : "classifier." + std::to_string(module);
        module += 2;  // itself and its ReLU
        if (config_.hidden_norm && i < config_.hidden.size()) {
            layer.norm = BatchNorm2d(widths[i], config_.bn_eps, config_.bn_momentum);
            layer.norm_name =
                numbered ? layer.name + "_bn" : "classifier." + std::to_string(module - 1);
            ++module;
        }
        linears_.push_back(std::move(layer));
        in = widths[i];
    }
}

void AlexNet::visit(Visitor& v) {
    for (ConvLayer& layer : convs_) {
        v(layer.name.c_str(), layer.conv);
        if (!layer.norm_name.empty()) v(layer.norm_name.c_str(), layer.norm);
    }
    for (LinearLayer& layer : linears_) {
        if (!layer.dropout_name.empty()) v(layer.dropout_name.c_str(), layer.dropout);
        v(layer.name.c_str(), layer.linear);
        if (!layer.norm_name.empty()) v(layer.norm_name.c_str(), layer.norm);
    }
}

Tensor AlexNet::forward(const Tensor& images, const Pass& pass) const {
    Tensor x = images;
    for (std::size_t i = 0; i < convs_.size(); ++i) {
        const ConvLayer& layer = convs_[i];
        x = layer.conv.forward(x);
        if (config_.conv_norm == BatchNormPlace::BeforeRelu) x = layer.norm.forward(x, pass);
        x = ops::relu(x);
        if (config_.conv_norm == BatchNormPlace::AfterRelu) x = layer.norm.forward(x, pass);
        if (config_.convs[i].pool_kernel > 0) x = ops::max_pool2d(x, pooling(config_.convs[i]));
    }
    if (config_.adaptive_pool)
        x = ops::adaptive_avg_pool2d(x, config_.adaptive_pool->rows,
                                     config_.adaptive_pool->columns);
    x = ops::flatten_chw(x);
    ops::check(x.size(1) == linears_.front().linear.weight.value.size(1), "AlexNet",
               "the first linear layer is not made for images of this size", images, x);
    for (std::size_t i = 0; i < linears_.size(); ++i) {
        const LinearLayer& layer = linears_[i];
        x = layer.dropout.forward(x, pass);
        if (i + 1 == linears_.size()) {
            x = layer.linear.forward(x);
        } else if (config_.hidden_norm) {
            x = ops::relu(layer.norm.forward(layer.linear.forward(x), pass));
        } else {
            x = layer.linear.forward(x, Unary::Relu);
        }
    }
    return x;
}

void AlexNet::initialise(std::uint64_t seed) {
    for (const ConvLayer& layer : convs_)
        init::pytorch_default(layer.conv.weight, layer.conv.bias, seed, layer.name);
    for (const LinearLayer& layer : linears_)
        init::pytorch_default(layer.linear.weight, layer.linear.bias, seed, layer.name);
}

std::int64_t AlexNet::macs() const {
    std::int64_t total = 0;
    GridSize map{config_.image_size[0], config_.image_size[1]};
    for (std::size_t i = 0; i < convs_.size(); ++i) {
        map = convolved(map, config_.convs[i]);
        total += map.area() * convs_[i].conv.weight.value.numel();
        map = pooled(map, config_.convs[i]);
    }
    for (const LinearLayer& layer : linears_) total += layer.linear.weight.value.numel();
    return total;
}

std::vector<NameStyle> AlexNet::name_styles() const {
    // The teachers of 28x28 images count as the others do, but have no other home.
    if (config_.names == AlexNetNames::Numbered && config_.map) return {own_style("study")};
    if (config_.names == AlexNetNames::Sequential && config_.conv_norm == BatchNormPlace::None)
        return {own_style("torchvision")};
    return {};
}

}  // namespace fovea
