// Named CvT configurations and their cost.
#include "models/cvt.h"
#include "models/simplified_cvt.h"

namespace fovea {
namespace {

// Microsoft's three stages at 224 (experiments/imagenet/cvt/*.yaml).
CvtConfig microsoft(const std::int64_t (&dims)[3], const std::int64_t (&depths)[3],
                    const std::int64_t (&heads)[3], double drop_path) {
    const std::int64_t patch[3] = {7, 3, 3}, stride[3] = {4, 2, 2}, padding[3] = {2, 1, 1};
    CvtConfig config;
    for (int i = 0; i < 3; ++i) {
        CvtStageConfig stage;
        stage.patch_size = patch[i];
        stage.stride = stride[i];
        stage.padding = padding[i];
        stage.embed_dim = dims[i];
        stage.depth = depths[i];
        stage.num_heads = heads[i];
        config.stages.push_back(stage);
    }
    config.stages[2].class_token = true;
    config.stages[2].drop_path = drop_path;
    return config;
}

// For 28x28 and 32x32: 14x14 positions hold only the embedding, where attention would cost most; the
// blocks run on 7x7 and 4x4 tokens. 5.98 M multiply-adds for a grey 28x28 image.
CvtConfig small_28() {
    CvtConfig config = microsoft({32, 64, 96}, {0, 2, 1}, {1, 2, 3}, 0.0);
    config.num_classes = 10;
    config.in_channels = 1;
    config.image_size[0] = config.image_size[1] = 28;
    config.stages[0].patch_size = 5;
    config.stages[0].stride = 2;
    for (CvtStageConfig& stage : config.stages) stage.mlp_ratio = 2.0;
    return config;
}

// Wider and deeper where it is cheap: 16.8 M multiply-adds for a grey 28x28 image.
CvtConfig wide_28() {
    CvtConfig config = small_28();
    const std::int64_t dims[3] = {48, 96, 160}, heads[3] = {1, 3, 5};
    for (std::size_t i = 0; i < 3; ++i) {
        config.stages[i].embed_dim = dims[i];
        config.stages[i].num_heads = heads[i];
    }
    config.stages[2].depth = 2;
    return config;
}

// For 64x64: CvT-13's form at 16x16, 8x8 and 4x4 tokens.
CvtConfig small_64() {
    CvtConfig config = microsoft({64, 192, 384}, {1, 2, 6}, {1, 3, 6}, 0.1);
    config.num_classes = 200;
    config.image_size[0] = config.image_size[1] = 64;
    return config;
}

// For tests: every part of a CvT, in milliseconds.
CvtConfig tiny() {
    CvtConfig config = microsoft({8, 16, 24}, {1, 2, 3}, {1, 2, 3}, 0.0);
    config.num_classes = 10;
    config.image_size[0] = config.image_size[1] = 64;
    return config;
}

std::int64_t out_extent(std::int64_t in, std::int64_t kernel, std::int64_t stride,
                        std::int64_t padding) {
    const std::int64_t room = in + 2 * padding - kernel;
    return in < 1 || room < 0 ? 0 : room / stride + 1;
}

/// Behind one convolution.
GridSize convolved(GridSize in, std::int64_t kernel, std::int64_t stride, std::int64_t padding) {
    return {out_extent(in.rows, kernel, stride, padding),
            out_extent(in.columns, kernel, stride, padding)};
}

/// Behind the first convolution of an embedding, and behind the last.
std::pair<GridSize, GridSize> embedded(GridSize in, const CvtStageConfig& s) {
    if (s.embed == CvtEmbed::Conv) {
        const GridSize map = convolved(in, s.patch_size, s.stride, s.padding);
        return {map, map};
    }
    const GridSize half = convolved(in, 3, 2, 1);
    return {half, convolved(half, 3, 2, 1)};
}

GridSize queries_of(GridSize map, const CvtStageConfig& s) {
    return convolved(map, s.kernel_qkv, s.stride_q, s.padding_q);
}
GridSize keys_of(GridSize map, const CvtStageConfig& s) {
    return convolved(map, s.kernel_qkv, s.stride_kv, s.padding_kv);
}

}  // namespace

std::optional<CvtConfig> cvt_preset(std::string_view name) {
    if (name == "cvt13") return microsoft({64, 192, 384}, {1, 2, 10}, {1, 3, 6}, 0.1);
    if (name == "cvt21") return microsoft({64, 192, 384}, {1, 4, 16}, {1, 3, 6}, 0.1);
    if (name == "cvt_w24") {
        CvtConfig config = microsoft({192, 768, 1024}, {2, 2, 20}, {3, 12, 16}, 0.3);
        config.image_size[0] = config.image_size[1] = 384;
        return config;
    }
    if (name == "cvt_28") return small_28();
    if (name == "cvt_28_wide") return wide_28();
    if (name == "cvt_64") return small_64();
    if (name == "cvt_tiny") return tiny();
    return simplified_cvt_preset(name);
}

bool cvt_takes(const CvtConfig& config, GridSize image) {
    GridSize map = image;
    for (const CvtStageConfig& s : config.stages) {
        map = embedded(map, s).second;
        if (map.area() < 1) return false;
        if (s.depth > 0 && s.conv_projection &&
            (queries_of(map, s).area() < 1 || keys_of(map, s).area() < 1))
            return false;
    }
    return true;
}

std::int64_t cvt_macs(const CvtConfig& config) {
    std::int64_t total = 0, in = config.in_channels;
    GridSize map{config.image_size[0], config.image_size[1]};
    for (const CvtStageConfig& s : config.stages) {
        const std::int64_t c = s.embed_dim;
        const auto [first, last] = embedded(map, s);
        map = last;
        if (s.embed == CvtEmbed::Conv)
            total += map.area() * c * s.patch_size * s.patch_size * in;
        else
            total += first.area() * (c / 2) * 9 * in + map.area() * c * 9 * (c / 2);
        const std::int64_t token = s.class_token ? 1 : 0;
        std::int64_t queries = map.area(), keys = queries, depthwise = 0;
        if (s.conv_projection) {
            queries = queries_of(map, s).area();
            keys = keys_of(map, s).area();
            depthwise = (queries + 2 * keys) * s.kernel_qkv * s.kernel_qkv * c;
        }
        const std::int64_t tokens = map.area() + token, tq = queries + token, tk = keys + token;
        const auto hidden = static_cast<std::int64_t>(static_cast<double>(c) * s.mlp_ratio);
        const std::int64_t block =
            depthwise + (2 * tq + 2 * tk) * c * c + 2 * tq * tk * c + 2 * tokens * c * hidden;
        total += s.depth * block;
        in = c;
    }
    return total + in * config.num_classes;
}

}  // namespace fovea
