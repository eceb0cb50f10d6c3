// Large cases of linear layers and convolutions.
#include "core/ops/conv.h"
#include "core/ops/matmul.h"
#include "tests/cases/families.h"
#include "tests/cases/large.h"

namespace fovea::tests {
namespace {

constexpr double f32 = 4.0;

void add_linear(std::vector<LargeCase>& list, const std::string& name, std::int64_t rows,
                std::int64_t K, std::int64_t N) {
    const Shape x = {rows, K}, w = {N, K}, y = {rows, N};
    const double flops = 2 * count(x) * static_cast<double>(N);
    list.push_back(
        {.row = {.name = "linear " + name + " " + spell(x) + "->" + std::to_string(N),
                 .op = "linear",
                 .kernels = {"linear_forward", "linear_backward_input", "linear_backward_weight"},
                 .inputs = {{x}, {w}, {{N}}},
                 .build = [](const auto& in) { return ops::linear(in[0], in[1], in[2]); },
                 .flops = flops},
         .forward = {count(x) + count(w) + count(y), f32 * static_cast<double>(N)},
         .backward = {2 * (count(y) + count(w) + count(x)), f32 * static_cast<double>(N)},
         .backward_flops = 2 * flops});
}

void add_conv(std::vector<LargeCase>& list, const std::string& name, const Shape& x, std::int64_t O,
              std::int64_t kernel, std::int64_t stride, std::int64_t padding, bool depthwise) {
    const bool of_images = x[3] == 3;  // nobody asks for their gradient
    ConvParams params = {{stride, stride}, {padding, padding}, {1, 1}, depthwise ? O : 1};
    const std::int64_t I = x[3] / params.groups;
    const Shape w = {O, kernel, kernel, I};
    const Shape y = {x[0], params.out(0, x[1], kernel), params.out(1, x[2], kernel), O};
    const double flops = 2 * count(y) * static_cast<double>(kernel * kernel * I);
    list.push_back(
        {.row = {.name = "conv2d " + name + " " + spell(x) + "->" + std::to_string(O),
                 .op = "conv2d",
                 .kernels = {"conv2d_forward", "conv2d_backward_input", "conv2d_backward_weight"},
                 .inputs = {{x, Values::Uniform, !of_images}, {w}},
                 .build =
                     [params](const auto& in) {
                         return ops::conv2d(in[0], in[1], Tensor(), params);
                     },
                 .flops = flops},
         .forward = {count(x) + count(w) + count(y)},
         .backward = {(of_images ? 1 : 2) * (count(y) + count(w) + count(x))},
         .backward_flops = (of_images ? 1 : 2) * flops});
}

}  // namespace

void add_large_products(std::vector<LargeCase>& list) {
    add_linear(list, "ViT-B qkv", 2364, 768, 2304);
    add_linear(list, "ViT-B fc1", 2364, 768, 3072);
    add_linear(list, "Swin-T stage 1 fc1", 12544, 96, 384);
    add_conv(list, "ResNet-50 3x3", {6, 56, 56, 64}, 64, 3, 1, 1, false);
    add_conv(list, "ResNet-50 1x1", {3, 56, 56, 64}, 256, 1, 1, 0, false);
    add_conv(list, "ResNet-50 stem 7x7 stride 2", {4, 224, 224, 3}, 64, 7, 2, 3, false);
    add_conv(list, "ViT-B patches of 16", {4, 224, 224, 3}, 768, 16, 16, 0, false);
    add_conv(list, "CvT-13 depthwise stride 1", {3, 56, 56, 64}, 64, 3, 1, 1, true);
    add_conv(list, "CvT-13 depthwise stride 2", {3, 56, 56, 64}, 64, 3, 2, 1, true);
}

}  // namespace fovea::tests
