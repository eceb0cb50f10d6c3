// Augmentation: a kernel without gradients, from pixels and sample numbers.
#include "kernels/include/augment.h"

#include "tests/cases/families.h"

namespace fovea::tests {
namespace {

/// Inputs: pixels [B,H0,W0,C], sample numbers [B], and one number whose dtype is that of the output.
void add_augment(std::vector<Case>& table, const std::string& name, const Shape& x, std::int64_t H,
                 std::int64_t W, const AugmentParams& params) {
    const Shape y = {x[0], H, W, x[3]};
    table.push_back({.name = "augment_images " + spell(x) + " to " + std::to_string(H) + "x" +
                             std::to_string(W) + " " + name,
                     .op = "augment_images",
                     .kernels = {"augment_images"},
                     .inputs = {{x, Values::Labels, false, Layout::Dense, 256},
                                {{x[0]}, Values::Labels, false, Layout::Dense, 60000},
                                constant({1})},
                     .build =
                         [y, params](const auto& in) {
                             const Tensor pixels = in[0].to(DType::U8);
                             const Tensor out = Tensor::empty(y, in[2].dtype(), in[2].device());
                             kernels::augment_images(out.stream(), out.view(), pixels, in[1],
                                                     params);
                             return out;
                         },
                     .flops = 3.0 * static_cast<double>(y.numel()),
                     .bytes = static_cast<double>(x.numel() + 4 * y.numel() + 4)});
}

}  // namespace

void add_augment_cases(std::vector<Case>& table) {
    AugmentParams params;
    params.seed = 0x5EED0123456789ABu;
    params.epoch = 3;
    for (int c = 0; c < 3; ++c) {
        params.mean[c] = 0.4F + 0.05F * static_cast<float>(c);
        params.std[c] = 0.25F;
    }
    add_augment(table, "plain", {2, 5, 7, 3}, 5, 7, params);
    params.pad_crop = 4;
    params.flip = 0.5;
    add_augment(table, "crop flip", {33, 8, 9, 3}, 8, 9, params);
    add_augment(table, "crop flip", {5, 28, 28, 1}, 28, 28, params);
    add_augment(table, "window", {3, 9, 8, 3}, 7, 11, params);
    add_augment(table, "crop flip", {0, 8, 8, 3}, 8, 8, params);
    params.erase = 0.5;
    add_augment(table, "erase", {31, 16, 12, 3}, 16, 12, params);
    params.noise = true;
    add_augment(table, "noise", {32, 33, 31, 3}, 33, 31, params);
    add_augment(table, "noise", {3, 1, 1, 1}, 1, 1, params);
}

}  // namespace fovea::tests
