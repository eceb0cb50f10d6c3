// Large cases of pooling, resizing, augmentation and token embedding.
#include "core/ops/embed.h"
#include "core/ops/pool.h"
#include "kernels/include/augment.h"
#include "tests/cases/families.h"
#include "tests/cases/large.h"

namespace fovea::tests {
namespace {

constexpr double f32 = 4.0, i32 = 4.0, i64 = 8.0;

void add_map(std::vector<LargeCase>& list, const std::string& name, const std::string& kernel,
             const Shape& x, const Shape& y, Builder build, double index_bytes = 0.0) {
    list.push_back({.row = {.name = name + " " + spell(x) + " to " + spell(y),
                            .op = kernel,
                            .kernels = {kernel + "_forward", kernel + "_backward"},
                            .inputs = {{x}},
                            .build = std::move(build)},
                    .forward = {count(x) + count(y), index_bytes},
                    .backward = {count(x) + count(y), index_bytes}});
}

void add_augment(std::vector<LargeCase>& list, const std::string& name, const Shape& images,
                 const AugmentParams& params) {
    list.push_back(
        {.row = {.name = "augment_images " + name + " " + spell(images),
                 .op = "augment_images",
                 .kernels = {"augment_images"},
                 .inputs = {{images, Values::Labels, false, Layout::Dense, 256},
                            {{images[0]}, Values::Labels, false, Layout::Dense, 60000},
                            constant({1})},
                 .build =
                     [params](const auto& in) {
                         const Tensor y =
                             Tensor::empty(in[0].shape(), in[2].dtype(), in[0].device());
                         kernels::augment_images(y.stream(), y.view(), in[0], in[1], params);
                         return y;
                     }},
         .forward = {count(images), count(images) + i64 * static_cast<double>(images[0])},
         .prepare = [](std::vector<Tensor>& in) { in[0] = in[0].to(DType::U8); }});
}

}  // namespace

void add_large_images(std::vector<LargeCase>& list) {
    const PoolParams overlapping = {{3, 3}, {2, 2}, {1, 1}, false, true};
    const Shape stem = {1, 112, 112, 64}, pooled = {1, 56, 56, 64};
    add_map(
        list, "max_pool ResNet-50", "max_pool", stem, pooled,
        [=](const auto& in) { return ops::max_pool2d(in[0], overlapping); }, i32 * count(pooled));
    add_map(list, "avg_pool ResNet-50", "avg_pool", stem, pooled,
            [=](const auto& in) { return ops::avg_pool2d(in[0], overlapping); });
    add_map(list, "adaptive_avg_pool ResNet-50", "adaptive_avg_pool", {8, 7, 7, 2048},
            {8, 1, 1, 2048}, [](const auto& in) { return ops::adaptive_avg_pool2d(in[0], 1, 1); });
    for (const Interpolation mode : {Interpolation::Bilinear, Interpolation::Bicubic}) {
        const ResizeParams params = {mode, false, false};
        add_map(list,
                std::string("resize ") + (mode == Interpolation::Bicubic ? "bicubic" : "bilinear") +
                    " ViT-B positions",
                "resize", {4, 14, 14, 768}, {4, 24, 24, 768},
                [params](const auto& in) { return ops::interpolate(in[0], 24, 24, params); });
    }

    AugmentParams params;
    params.seed = 0x5EED0123456789ABu;
    params.epoch = 3;
    add_augment(list, "plain", {8, 224, 224, 3}, params);
    params.pad_crop = 4;
    params.flip = 0.5;
    add_augment(list, "crop flip", {512, 32, 32, 3}, params);

    const Shape patches = {8, 196, 768}, tokens = {8, 197, 768}, position = {197, 768};
    list.push_back(
        {.row = {.name = "embed_tokens ViT-B " + spell(patches),
                 .op = "embed_tokens",
                 .kernels = {"embed_tokens_forward", "embed_tokens_backward"},
                 .inputs = {{patches}, {{1, 1, 768}}, {position}},
                 .build = [](const auto& in) { return ops::embed_tokens(in[0], in[1], in[2]); }},
         .forward = {count(patches) + count(tokens), f32 * (768 + count(position))},
         .backward = {count(patches) + count(tokens), f32 * (768 + count(position))},
         .prepare = [](std::vector<Tensor>& in) {  // parameters, F32
             for (std::size_t i : {1, 2}) {
                 in[i] = in[i].to(DType::F32);
                 in[i].set_requires_grad();
             }
         }});
}

}  // namespace fovea::tests
