#include "models/resnet.h"

#include <numeric>

#include "core/error.h"
#include "core/ops/elementwise.h"
#include "core/ops/pool.h"
#include "core/ops/shape_ops.h"
#include "layers/init.h"

namespace fovea {
namespace {

ResNetBlock::Step step(const ResNetConfig& c, std::int64_t in, std::int64_t out,
                       std::int64_t kernel, std::int64_t stride, std::int64_t groups = 1) {
    return {Conv2d(in, out, kernel, stride, kernel / 2, groups, false),
            BatchNorm2d(out, c.bn_eps, c.bn_momentum)};
}

Tensor apply(const ResNetBlock::Step& s, const Tensor& x, const Pass& pass) {
    return s.bn.forward(s.conv.forward(x), pass);
}

/// Multiply-adds of a convolution on a map, whose extents become the result's.
std::int64_t macs_of(const Conv2d& conv, std::int64_t (&map)[2]) {
    const Tensor& w = conv.weight;
    for (int axis = 0; axis < 2; ++axis)
        map[axis] = conv.params.out(axis, map[axis], w.size(axis + 1));
    return map[0] * map[1] * w.numel();
}

constexpr PoolParams kStemPool = {{3, 3}, {2, 2}, {1, 1}, false, true};

}  // namespace

ResNetBlock::ResNetBlock(const ResNetConfig& c, std::int64_t in, std::int64_t planes,
                         std::int64_t stride, double drop_path_rate)
    : drop_path(drop_path_rate) {
    const std::int64_t out = planes * c.expansion;
    if (c.block == ResNetBlockKind::Basic) {
        branch = {step(c, in, planes, 3, stride), step(c, planes, out, 3, 1)};
    } else {
        const std::int64_t width = planes * c.width_per_group / 64 * c.groups;
        branch = {step(c, in, width, 1, 1), step(c, width, width, 3, stride, c.groups),
                  step(c, width, out, 1, 1)};
    }
    if (stride != 1 || in != out) skip = step(c, in, out, 1, stride);
}

void ResNetBlock::visit(Visitor& v) {
    for (std::size_t i = 0; i < branch.size(); ++i) {
        const std::string number = std::to_string(i + 1);
        v(("conv" + number).c_str(), branch[i].conv);
        v(("bn" + number).c_str(), branch[i].bn);
    }
    if (skip) {
        v("downsample.0", skip->conv);
        v("downsample.1", skip->bn);
    }
    v("drop_path", drop_path);
}

Tensor ResNetBlock::forward(const Tensor& x, const Pass& pass) const {
    Tensor y = apply(branch[0], x, pass);
    for (std::size_t i = 1; i < branch.size(); ++i) y = apply(branch[i], ops::relu(y), pass);
    return ops::relu(drop_path.add(skip ? apply(*skip, x, pass) : x, y, pass));
}

ResNet::ResNet(const ResNetConfig& config) : config_(config), dropout_(config.dropout) {
    const bool basic = config.block == ResNetBlockKind::Basic;
    if (basic && (config.expansion != 1 || config.groups != 1 || config.width_per_group != 64))
        throw Error("C04",
                    "a ResNet of basic blocks has no expansion, groups or wider bottlenecks");
    for (const std::int64_t blocks : config.layers)
        if (blocks < 1) throw Error("C04", "every stage of a ResNet needs a block");
    const bool large = config.stem == ResNetStem::ImageNet;
    stem_ = step(config, config.in_channels, config.stem_width, large ? 7 : 3, large ? 2 : 1);
    const std::int64_t total =
        std::accumulate(std::begin(config.layers), std::end(config.layers), std::int64_t{0});
    std::int64_t in = config.stem_width, number = 0;
    for (std::size_t s = 0; s < 4; ++s)
        for (std::int64_t i = 0; i < config.layers[s]; ++i, ++number) {
            const double share = static_cast<double>(number) / static_cast<double>(total - 1);
            stages_[s].emplace_back(config, in, config.planes[s], i == 0 ? config.strides[s] : 1,
                                    config.drop_path * share);
            in = config.planes[s] * config.expansion;
        }
    fc_ = Linear(in, config.num_classes);
    assign_sites(*this);
}

void ResNet::visit(Visitor& v) {
    v("conv1", stem_.conv);
    v("bn1", stem_.bn);
    for (std::size_t s = 0; s < 4; ++s) v(("layer" + std::to_string(s + 1)).c_str(), stages_[s]);
    v("dropout", dropout_);
    v("fc", fc_);
}

Tensor ResNet::forward(const Tensor& images, const Pass& pass) const {
    Tensor x = ops::relu(apply(stem_, images, pass));
    if (config_.stem == ResNetStem::ImageNet) x = ops::max_pool2d(x, kStemPool);
    for (const std::vector<ResNetBlock>& stage : stages_)
        for (const ResNetBlock& block : stage) x = block.forward(x, pass);
    x = ops::reshape(ops::adaptive_avg_pool2d(x, 1, 1), {x.size(0), x.size(3)});
    return fc_.forward(dropout_.forward(x, pass));
}

void ResNet::initialise(std::uint64_t seed) {
    struct Initialise : Visitor {
        std::uint64_t seed = 0;
        bool zero_residual = false;
        void enter_module(const std::string& name, Module& m) override {
            if (auto* conv = dynamic_cast<Conv2d*>(&m))
                init::he_normal_fan_out(conv->weight, init::site_of(seed, name + ".weight"));
            else if (auto* linear = dynamic_cast<Linear*>(&m))
                init::pytorch_default(linear->weight, linear->bias, seed, name);
            else if (auto* block = dynamic_cast<ResNetBlock*>(&m); block && zero_residual)
                block->branch.back().bn.weight.value.fill(0.0);
        }
    } initialise;
    initialise.seed = seed;
    initialise.zero_residual = config_.zero_init_residual;
    visit(initialise);
}

std::int64_t ResNet::macs() const {
    std::int64_t map[2] = {config_.image_size[0], config_.image_size[1]};
    std::int64_t total = macs_of(stem_.conv, map);
    if (config_.stem == ResNetStem::ImageNet)
        for (int axis = 0; axis < 2; ++axis) map[axis] = kStemPool.out(axis, map[axis]);
    for (const std::vector<ResNetBlock>& stage : stages_)
        for (const ResNetBlock& block : stage) {
            if (block.skip) {
                std::int64_t skipped[2] = {map[0], map[1]};
                total += macs_of(block.skip->conv, skipped);
            }
            for (const ResNetBlock::Step& s : block.branch) total += macs_of(s.conv, map);
        }
    return total + fc_.weight.value.numel();
}

}  // namespace fovea
