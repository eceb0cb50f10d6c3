// Large cases of kernels that normalise or sum rows.
#include "core/ops/norm.h"
#include "core/ops/softmax.h"
#include "kernels/include/loss.h"
#include "kernels/include/reduce.h"
#include "tests/cases/families.h"
#include "tests/cases/large.h"

namespace fovea::tests {
namespace {

constexpr double f32 = 4.0, i64 = 8.0;

void add_layer_norm(std::vector<LargeCase>& list, const std::string& model, const Shape& shape) {
    const double n = count(shape), C = static_cast<double>(shape[-1]), rows = n / C;
    list.push_back(
        {.row = {.name = "layer_norm " + model + " " + spell(shape),
                 .op = "layer_norm",
                 .kernels = {"layer_norm_forward", "layer_norm_backward"},
                 .inputs = {{shape}, {{shape[-1]}, Values::Positive}, {{shape[-1]}}},
                 .build = [](const auto& in) { return ops::layer_norm(in[0], in[1], in[2], 1e-5); },
                 .flops = 8 * n},
         // y; mean and rstd. Backward: dy, x, dx; w, dw, db.
         .forward = {2 * n, f32 * (2 * C + 2 * rows)},
         .backward = {3 * n, f32 * (3 * C + 2 * rows)}});
}

/// The norm of x + residual. Nobody asks for the gradient of x, so that backward is the norm's.
void add_add_layer_norm(std::vector<LargeCase>& list, const std::string& model,
                        const Shape& shape) {
    const double n = count(shape), C = static_cast<double>(shape[-1]), rows = n / C;
    list.push_back(
        {.row =
             {.name = "add_layer_norm " + model + " " + spell(shape),
              .op = "add_layer_norm",
              .kernels = {"add_layer_norm_forward", "layer_norm_backward"},
              .inputs = {constant(shape), {shape}, {{shape[-1]}, Values::Positive}, {{shape[-1]}}},
              .build =
                  [](const auto& in) {
                      return ops::add_layer_norm(in[0], in[1], in[2], in[3], 1e-5).y;
                  },
              .flops = 9 * n},
         // x, residual, sum, y; mean and rstd.
         .forward = {4 * n, f32 * (2 * C + 2 * rows)},
         .backward = {3 * n, f32 * (3 * C + 2 * rows)}});
}

/// In training the statistics are known only when all of x was read, so it is read twice; backward
/// likewise needs two sums over dy and x before the first element of dx.
void add_batch_norm(std::vector<LargeCase>& list, bool training, const Shape& shape) {
    const double n = count(shape), C = static_cast<double>(shape[-1]);
    const Shape channels = {shape[-1]};
    list.push_back(
        {.row = {.name = std::string("batch_norm ") + (training ? "train " : "eval ") +
                         "ResNet-50 " + spell(shape),
                 .op = "batch_norm",
                 .kernels = {training ? "batch_norm_forward_train" : "batch_norm_forward_eval",
                             training ? "batch_norm_backward_train" : "batch_norm_backward_eval"},
                 .inputs = {{shape},
                            {channels, Values::Positive},
                            {channels},
                            constant(channels),
                            constant(channels, Values::Positive)},
                 .build =
                     [training](const auto& in) {
                         return ops::batch_norm(in[0], in[1], in[2], in[3], in[4], training, 1e-5,
                                                0.1);
                     },
                 .flops = 6 * n},
         .forward = {(training ? 3 : 2) * n, f32 * (training ? 6 : 4) * C},
         .backward = {(training ? 5 : 3) * n, f32 * 5 * C}});
}

void add_sum(std::vector<LargeCase>& list, const std::string& name, const Shape& from,
             const Shape& to) {
    list.push_back(
        {.row = {.name = name + " " + spell(from),
                 .op = "reduce_sum",
                 .kernels = {"reduce_sum"},
                 .inputs = {constant(from)},
                 .build =
                     [to](const auto& in) {
                         const Tensor y = Tensor::empty(to, in[0].dtype(), in[0].device());
                         kernels::reduce_sum(y.stream(), y.view(), in[0], 0.5, GradMode::Overwrite);
                         return y;
                     },
                 .flops = count(from)},
         .forward = {count(from) + count(to)}});
}

template <class Kernel>
void add_total(std::vector<LargeCase>& list, const std::string& name, DType out, Kernel kernel) {
    const Shape arena = {1 << 20};
    list.push_back({.row = {.name = name + " of an arena " + spell(arena),
                            .op = name,
                            .kernels = {name},
                            .inputs = {constant(arena)},
                            .build =
                                [=](const auto& in) {
                                    const Tensor y = Tensor::empty({1}, out, in[0].device());
                                    kernel(in[0].stream(), y.view(), in[0]);
                                    return y;
                                },
                            .flops = 2 * count(arena)},
                    .forward = {count(arena), 8.0}});
}

}  // namespace

void add_large_rows(std::vector<LargeCase>& list) {
    add_layer_norm(list, "ViT-B", {64, 197, 768});
    add_layer_norm(list, "Swin-T stage 1", {4, 3136, 96});
    add_add_layer_norm(list, "ViT-B", {8, 197, 768});
    add_add_layer_norm(list, "Swin-T stage 1", {4, 3136, 96});
    for (const bool training : {true, false}) {
        add_batch_norm(list, training, {4, 56, 56, 64});
        add_batch_norm(list, training, {16, 7, 7, 2048});
    }

    const Shape scores = {4, 12, 197, 197};
    list.push_back({.row = {.name = "softmax ViT-B " + spell(scores),
                            .op = "softmax",
                            .kernels = {"softmax_forward", "softmax_backward"},
                            .inputs = {{scores}},
                            .build = [](const auto& in) { return ops::softmax(in[0]); },
                            .flops = 4 * count(scores)},
                    .forward = {2 * count(scores)},
                    .backward = {3 * count(scores)}});
    const Shape logits = {512, 1000};
    list.push_back(
        {.row = {.name = "softmax_cross_entropy ImageNet " + spell(logits),
                 .op = "softmax_cross_entropy",
                 .kernels = {"softmax_cross_entropy"},
                 .inputs = {constant(logits), {{512}, Values::Labels, false, Layout::Dense, 1000}},
                 .build =
                     [](const auto& in) {
                         const Tensor loss = Tensor::empty({512}, DType::F32, in[0].device());
                         const Tensor gradient =
                             Tensor::empty(in[0].shape(), in[0].dtype(), in[0].device());
                         kernels::softmax_cross_entropy(loss.stream(), loss.view(), gradient.view(),
                                                        in[0], in[1], 0.1);
                         return gradient;
                     },
                 .flops = 5 * count(logits)},
         .forward = {2 * count(logits), 512 * (f32 + i64)}});

    add_sum(list, "column sums ViT-B", {1576, 768}, {1, 768});
    add_sum(list, "token means ViT-B", {8, 197, 768}, {8, 1, 768});
    add_sum(list, "row sums ViT-B", {1576, 768}, {1576, 1});
    add_total(list, "sum_of_squares", DType::F64, [](auto... a) { kernels::sum_of_squares(a...); });
    add_total(list, "count_nonfinite", DType::I64,
              [](auto... a) { kernels::count_nonfinite(a...); });
}

}  // namespace fovea::tests
