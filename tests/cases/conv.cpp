// Convolutions: dense, grouped, dilated, depthwise 3x3 at stride 1 and 2, depthwise otherwise.
#include "core/ops/conv.h"

#include "tests/cases/families.h"

namespace fovea::tests {
namespace {

struct ConvShape {
    Shape x;         // [N,H,W,I]
    std::int64_t O;  // output channels
    std::int64_t kernel[2] = {3, 3};
    ConvParams params = {};
    bool bias = true;
    Layout layout = Layout::Dense;
    Layout weight_layout = Layout::Dense;
};

std::string pair(const std::int64_t (&p)[2]) {
    return std::to_string(p[0]) + (p[0] == p[1] ? "" : "x" + std::to_string(p[1]));
}

void add_conv(std::vector<Case>& table, const ConvShape& s) {
    const ConvParams& p = s.params;
    const std::int64_t I = s.x[3] / p.groups, taps = s.kernel[0] * s.kernel[1];
    const std::int64_t positions =
        s.x[0] * p.out(0, s.x[1], s.kernel[0]) * p.out(1, s.x[2], s.kernel[1]);
    std::vector<Input> inputs = {
        {s.x, Values::Uniform, true, s.layout, 0},
        {{s.O, s.kernel[0], s.kernel[1], I}, Values::Uniform, true, s.weight_layout, 0}};
    if (s.bias) inputs.push_back({{s.O}});
    std::string name = "conv2d " + spell(s.x) + "->" + std::to_string(s.O) + " kernel " +
                       pair(s.kernel) + " stride " + pair(p.stride) + " pad " + pair(p.padding);
    if (p.dilation[0] * p.dilation[1] > 1) name += " dilation " + pair(p.dilation);
    if (p.groups > 1) name += " groups " + std::to_string(p.groups);
    if (s.bias) name += " bias";
    if (s.layout == Layout::Transposed) name += " transposed";
    if (s.layout == Layout::Sliced) name += " sliced";
    if (s.weight_layout != Layout::Dense) name += " strided weight";
    table.push_back({.name = name,
                     .op = "conv2d",
                     .kernels = {"conv2d_forward", "conv2d_backward_input",
                                 "conv2d_backward_weight", "reduce_sum"},
                     .inputs = inputs,
                     .build =
                         [p, bias = s.bias](const auto& in) {
                             return ops::conv2d(in[0], in[1], bias ? in[2] : Tensor(), p);
                         },
                     .flops = 2.0 * static_cast<double>(positions * s.O * taps * I),
                     .bytes = traffic(inputs, positions * s.O),
                     .terms = std::max({positions, taps * I, taps * s.O / p.groups})});
}

ConvParams params(std::int64_t stride, std::int64_t padding, std::int64_t groups = 1,
                  std::int64_t dilation = 1) {
    return {{stride, stride}, {padding, padding}, {dilation, dilation}, groups};
}

void add_depthwise(std::vector<Case>& table) {
    for (const std::int64_t C : {1, 3, 31, 32, 33})
        for (const std::int64_t stride : {1, 2})
            add_conv(table, {{2, 5, 6, C}, C, {3, 3}, params(stride, 1, C), C % 2 == 1});
    add_conv(table, {{1, 1, 1, 16}, 16, {3, 3}, params(1, 1, 16), false});
    add_conv(table, {{1, 2, 7, 48}, 48, {3, 3}, params(2, 1, 48), false});
    add_conv(table, {{1, 6, 5, 17}, 17, {3, 3}, params(1, 0, 17), true});
    add_conv(table, {{2, 9, 8, 20}, 20, {5, 3}, {{2, 1}, {2, 1}, {1, 1}, 20}, true});
    add_conv(table, {{1, 9, 9, 16}, 16, {3, 3}, params(1, 2, 16, 2), true});
    add_conv(table, {{1, 8, 8, 16}, 16, {7, 7}, params(1, 3, 16), false});
    add_conv(table, {{1, 6, 6, 4}, 8, {3, 3}, params(1, 1, 4), true});  // two filters a channel
    add_conv(table, {{0, 5, 5, 8}, 8, {3, 3}, params(1, 1, 8), true});
    add_conv(
        table,
        {.x = {2, 5, 6, 32}, .O = 32, .params = params(1, 1, 32), .layout = Layout::Transposed});
    add_conv(
        table,
        {.x = {2, 5, 6, 32}, .O = 32, .params = params(2, 1, 32), .weight_layout = Layout::Sliced});
    // CvT: the projections of q (stride 1) and of k, v (stride 2).
    for (const std::int64_t stride : {1, 2}) {
        add_conv(table, {{2, 7, 7, 64}, 64, {3, 3}, params(stride, 1, 64), false});
        add_conv(table, {{2, 4, 4, 96}, 96, {3, 3}, params(stride, 1, 96), false});
        add_conv(table, {{1, 28, 28, 192}, 192, {3, 3}, params(stride, 1, 192), false});
        add_conv(table, {{1, 14, 14, 384}, 384, {3, 3}, params(stride, 1, 384), false});
    }
}

/// AlexNet and its variants: large kernels and strides, even kernels, windows in the padding alone.
void add_alexnet(std::vector<Case>& table) {
    add_conv(table, {{1, 51, 55, 3}, 96, {11, 11}, params(4, 0)});
    add_conv(table, {{1, 28, 27, 3}, 16, {11, 11}, params(4, 2)});
    add_conv(table, {{1, 32, 33, 3}, 16, {11, 11}, params(3, 0)});
    add_conv(table, {{1, 32, 27, 3}, 16, {11, 11}, params(5, 2)});
    add_conv(table, {{1, 27, 32, 3}, 16, {17, 17}, params(5, 0)});
    add_conv(table, {{1, 23, 22, 3}, 16, {6, 6}, params(5, 2)});
    add_conv(table, {{1, 9, 9, 48}, 64, {5, 5}, params(1, 2)});
    add_conv(table, {{1, 14, 13, 16}, 24, {6, 6}, params(2, 2)});
    add_conv(table, {{1, 14, 13, 16}, 24, {9, 9}, params(3, 0)});
    add_conv(table, {{2, 8, 7, 24}, 32, {4, 4}, params(2, 1)});
    add_conv(table, {{2, 6, 7, 24}, 32, {2, 2}, params(3, 2)});
    add_conv(table, {{1, 13, 13, 96}, 64, {3, 3}, params(1, 1)});
}

/// ResNet: both stems, strided and grouped 3x3, the strided 1x1 of a skip.
void add_resnet(std::vector<Case>& table) {
    add_conv(table, {{1, 32, 31, 3}, 64, {7, 7}, params(2, 3), false});
    add_conv(table, {{1, 16, 16, 3}, 64, {3, 3}, params(1, 1), false});
    add_conv(table, {{2, 14, 13, 64}, 64, {3, 3}, params(2, 1), false});
    add_conv(table, {{2, 14, 13, 64}, 128, {1, 1}, params(2, 0), false});
    add_conv(table, {{1, 1, 1, 64}, 128, {1, 1}, params(2, 0), false});
    add_conv(table, {{1, 1, 1, 48}, 48, {3, 3}, params(1, 1), false});
    add_conv(table, {{1, 7, 7, 128}, 128, {3, 3}, params(1, 1, 32), false});
}

}  // namespace

void add_conv_cases(std::vector<Case>& table) {
    for (const bool bias : {false, true}) {
        add_conv(table, {{2, 5, 6, 3}, 4, {3, 3}, params(1, 1), bias});
        add_conv(table, {{1, 1, 1, 1}, 1, {1, 1}, params(1, 0), bias});
    }
    add_conv(table, {{0, 5, 5, 3}, 4, {3, 3}, params(1, 1)});
    add_conv(table, {{2, 7, 6, 5}, 33, {1, 1}, params(1, 0)});
    add_conv(table, {{1, 9, 8, 31}, 5, {3, 2}, {{2, 1}, {1, 0}, {1, 1}, 1}});
    add_conv(table, {{1, 9, 9, 4}, 6, {3, 3}, params(1, 2, 1, 2)});
    add_conv(table, {{1, 10, 9, 4}, 6, {3, 3}, {{2, 2}, {1, 2}, {2, 1}, 2}});
    add_conv(table, {{2, 6, 6, 8}, 12, {3, 3}, params(1, 1, 4)});
    add_conv(table, {{1, 8, 8, 3}, 8, {4, 4}, params(4, 0)});  // patches that do not overlap
    add_conv(table, {{1, 7, 9, 3}, 4, {3, 3}, params(3, 0)});  // pixels no window sees
    add_conv(table,
             {.x = {2, 5, 6, 8}, .O = 5, .params = params(1, 1), .layout = Layout::Transposed});
    add_conv(table, {.x = {2, 5, 6, 8}, .O = 5, .params = params(1, 1), .layout = Layout::Sliced});
    add_conv(
        table,
        {.x = {2, 5, 6, 8}, .O = 5, .params = params(1, 1), .weight_layout = Layout::Transposed});
    add_conv(table, {{2, 48, 47, 8}, 8, {3, 3}, params(1, 1), false});  // many pixels, one tile
    add_conv(table, {{2, 48, 47, 6}, 6, {3, 3}, params(1, 1, 2), false});
    add_depthwise(table);
    add_alexnet(table);
    add_resnet(table);
    // CvT's embeddings: 28x28 images, then 224x224 with fewer rows.
    add_conv(table, {{2, 28, 28, 1}, 32, {5, 5}, params(2, 2)});
    add_conv(table, {{2, 14, 14, 32}, 64, {3, 3}, params(2, 1)});
    add_conv(table, {{2, 7, 7, 64}, 96, {3, 3}, params(2, 1)});
    add_conv(table, {{1, 56, 224, 3}, 64, {7, 7}, params(4, 2)});
    add_conv(table, {{1, 14, 14, 192}, 384, {3, 3}, params(2, 1)});
}

}  // namespace fovea::tests
