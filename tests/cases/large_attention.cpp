// Large cases of attention.
#include <cmath>

#include "core/ops/attention.h"
#include "core/ops/window_attention.h"
#include "tests/cases/families.h"
#include "tests/cases/large.h"

namespace fovea::tests {
namespace {

constexpr double f32 = 4.0;

/// Backward computes the scores again: five products beside forward's two.
constexpr double backward_products = 2.5;

double scale_of(std::int64_t D) { return 1.0 / std::sqrt(static_cast<double>(D)); }

void add_packed(std::vector<LargeCase>& list, const std::string& name, std::int64_t B,
                std::int64_t T, std::int64_t H, std::int64_t D) {
    const double n = count({B, T, H, D}), lse = f32 * count({B, H, T});
    const double flops = 4 * n * static_cast<double>(T);
    list.push_back(
        {.row = {.name = "attention_packed " + name + " " + spell({B, T, H, D}),
                 .op = "attention_packed",
                 .kernels = {"attention_forward", "attention_backward"},
                 .inputs = {{{B, T, 3 * H * D}}},
                 .build =
                     [=](const auto& in) { return ops::attention_packed(in[0], H, scale_of(D)); },
                 .flops = flops},
         // q, k, v, o and lse; backward: q, k, v, o, dout and lse, then dq, dk, dv.
         .forward = {4 * n, lse},
         .backward = {8 * n, lse},
         .backward_flops = backward_products * flops});
}

void add_cross(std::vector<LargeCase>& list, const std::string& name, std::int64_t B,
               std::int64_t Tq, std::int64_t Tk, std::int64_t H, std::int64_t D) {
    const Shape q = {B, Tq, H, D}, kv = {B, Tk, H, D};
    const double lse = f32 * count({B, H, Tq});
    const double flops = 4 * count(q) * static_cast<double>(Tk);
    list.push_back(
        {.row = {.name = "attention " + name + " " + spell(q) + " keys " + std::to_string(Tk),
                 .op = "attention",
                 .kernels = {"attention_forward", "attention_backward"},
                 .inputs = {{q}, {kv}, {kv}},
                 .build =
                     [=](const auto& in) {
                         return ops::attention(in[0], in[1], in[2], scale_of(D));
                     },
                 .flops = flops},
         .forward = {2 * count(q) + 2 * count(kv), lse},
         .backward = {4 * count(q) + 4 * count(kv), lse},
         .backward_flops = backward_products * flops});
}

void add_windows(std::vector<LargeCase>& list, const std::string& name, std::int64_t B,
                 std::int64_t side, std::int64_t shift, std::int64_t H, std::int64_t D) {
    const WindowParams params = {{7, 7}, {shift, shift}, H, scale_of(D)};
    const double n = count({B, side, side, H * D}), lse = f32 * count({B, side, side, H});
    const double table = f32 * 169 * static_cast<double>(H), flops = 4 * n * 49;
    list.push_back(
        {.row = {.name = "window_attention " + name + " " + spell({B, side, side, H, D}) +
                         " shift " + std::to_string(shift),
                 .op = "window_attention",
                 .kernels = {"window_attention_forward", "window_attention_backward"},
                 .inputs = {{{B, side, side, 3 * H * D}}, {{169, H}}},
                 .build =
                     [params](const auto& in) {
                         return ops::window_attention(in[0], in[1], params);
                     },
                 .flops = flops},
         .forward = {4 * n, lse + table},
         .backward = {8 * n, lse + 2 * table},
         .backward_flops = backward_products * flops,
         .prepare = [](std::vector<Tensor>& in) {  // the table is a parameter, F32
             in[1] = in[1].to(DType::F32);
             in[1].set_requires_grad();
         }});
}

}  // namespace

void add_large_attention(std::vector<LargeCase>& list) {
    add_packed(list, "ViT-B", 4, 197, 12, 64);
    for (const std::int64_t shift : {0, 3})
        add_windows(list, "Swin-T stage 1", 2, 56, shift, 3, 32);
    add_cross(list, "CvT-13 stage 1", 3, 3136, 784, 1, 64);
    add_cross(list, "CvT-13 stage 2", 4, 784, 196, 3, 64);
    add_cross(list, "CvT-13 stage 3", 8, 197, 50, 6, 64);
}

}  // namespace fovea::tests
