// Large cases of kernels that map elements to elements.
#include "core/ops/dropout.h"
#include "core/ops/elementwise.h"
#include "core/ops/shape_ops.h"
#include "kernels/include/elementwise.h"
#include "tests/cases/families.h"
#include "tests/cases/large.h"

namespace fovea::tests {
namespace {

const Shape hidden = {2, 197, 3072};  // between fc1 and fc2 of a ViT-B
const Shape tokens = {8, 197, 768};
constexpr RandomSite site{0x5EED0123456789ABu, RandomStream::Dropout, 7, 11};

void add_copy(std::vector<LargeCase>& list, const std::string& name, const Shape& shape,
              const std::vector<int>& axes) {
    list.push_back(
        {.row = {.name = "copy " + name + " " + spell(shape),
                 .op = "copy",
                 .kernels = {"copy"},
                 .inputs = {{shape}},
                 .build =
                     [axes](const auto& in) { return ops::contiguous(ops::permute(in[0], axes)); }},
         .forward = {2 * count(shape)},
         .backward = {2 * count(shape)}});
}

}  // namespace

void add_large_maps(std::vector<LargeCase>& list) {
    const double n = count(hidden), m = count(tokens);
    list.push_back(
        {.row = {.name = "gelu_erf ViT-B fc1 " + spell(hidden),
                 .op = "unary",
                 .kernels = {"unary_forward", "unary_backward"},
                 .inputs = {{hidden}},
                 .build = [](const auto& in) { return ops::unary(in[0], Unary::GeluErf); },
                 .flops = n},
         .forward = {2 * n},
         .backward = {3 * n}});
    list.push_back({.row = {.name = "add ViT-B fc1 " + spell(hidden),
                            .op = "binary",
                            .kernels = {"binary"},
                            .inputs = {constant(hidden), constant(hidden)},
                            .build = [](const auto& in) { return ops::add(in[0], in[1]); },
                            .flops = n},
                    .forward = {3 * n}});
    list.push_back({.row = {.name = "add of a position ViT-B " + spell(tokens),
                            .op = "binary",
                            .kernels = {"binary"},
                            .inputs = {constant(tokens), constant({197, 768})},
                            .build = [](const auto& in) { return ops::add(in[0], in[1]); },
                            .flops = m},
                    .forward = {2 * m + 197 * 768}});
    list.push_back({.row = {.name = "axpby ViT-B " + spell(tokens),
                            .op = "axpby",
                            .kernels = {"axpby"},
                            .inputs = {constant(tokens), constant(tokens)},
                            .build =
                                [](const auto& in) {
                                    kernels::axpby(in[0].stream(), in[1].view(), in[0], 0.5, 0.5);
                                    return in[1];
                                },
                            .flops = 3 * m},
                    .forward = {3 * m}});
    list.push_back({.row = {.name = "fill ViT-B " + spell(tokens),
                            .op = "fill",
                            .kernels = {"fill"},
                            .inputs = {constant(tokens)},
                            .build =
                                [](const auto& in) {
                                    kernels::fill(in[0].stream(), in[0].view(), 0.5);
                                    return in[0];
                                }},
                    .forward = {m}});
    list.push_back({.row = {.name = "dropout ViT-B " + spell(tokens),
                            .op = "dropout",
                            .kernels = {"dropout"},
                            .inputs = {{tokens}},
                            .build = [](const auto& in) { return ops::dropout(in[0], 0.1, site); },
                            .flops = m},
                    .forward = {2 * m},
                    .backward = {2 * m}});
    // Dropped branches need not be read: the site drops none of these eight samples at this rate.
    list.push_back({.row = {.name = "drop_path ViT-B " + spell(tokens),
                            .op = "residual_drop_path",
                            .kernels = {"drop_path"},
                            .inputs = {{tokens}, {tokens}},
                            .build =
                                [](const auto& in) {
                                    return ops::residual_drop_path(in[0], in[1], 0.01, site);
                                },
                            .flops = m},
                    .forward = {3 * m},
                    .backward = {2 * m}});
    add_copy(list, "NCHW to NHWC", {4, 64, 56, 56}, {0, 2, 3, 1});
    add_copy(list, "NHWC to NCHW", {4, 56, 56, 64}, {0, 3, 1, 2});
    // Heads next to tokens: rows of 64 numbers move, as one.
    add_copy(list, "tokens to heads", {4, 197, 12, 64}, {0, 2, 1, 3});
}

}  // namespace fovea::tests
