// LayerNorm and BatchNorm. The running statistics that training moves are cloned in the builder, so
// that one evaluation cannot influence the next.
#include "core/ops/norm.h"

#include "core/ops/shape_ops.h"
#include "tests/cases/families.h"

namespace fovea::tests {
namespace {

void add_layer_norm(std::vector<Case>& table, const Shape& shape, bool affine,
                    Layout layout = Layout::Dense, Layout weight_layout = Layout::Dense) {
    std::vector<Input> inputs = {{shape, Values::Uniform, true, layout, 0}};
    if (affine)
        for (int i = 0; i < 2; ++i)
            inputs.push_back({{shape[-1]}, Values::Positive, true, weight_layout, 0});
    const std::int64_t n = shape.numel();
    table.push_back({.name = "layer_norm " + spell(shape) + (affine ? "" : " plain") +
                             (layout == Layout::Dense ? "" : " transposed") +
                             (weight_layout == Layout::Dense ? "" : " sliced weight"),
                     .op = "layer_norm",
                     .kernels = {"layer_norm_forward", "layer_norm_backward"},
                     .inputs = inputs,
                     .build =
                         [affine](const auto& in) {
                             return ops::layer_norm(in[0], affine ? in[1] : Tensor(),
                                                    affine ? in[2] : Tensor(), 1e-5);
                         },
                     .flops = 8.0 * static_cast<double>(n),
                     .bytes = traffic(inputs, n),
                     .terms = std::max(shape[-1], shape[-1] > 0 ? n / shape[-1] : 1),
                     // One channel: everything is its own mean, seen through 1 / sqrt(eps).
                     .cancelling = shape[-1] == 1 ? 316.0 : 0.0});
}

/// Both results, one above the other, so that each passes a gradient back.
void add_add_layer_norm(std::vector<Case>& table, const Shape& shape, bool affine) {
    std::vector<Input> inputs = {{shape}, {shape}};
    if (affine)
        for (int i = 0; i < 2; ++i) inputs.push_back({{shape[-1]}, Values::Positive});
    const std::int64_t n = shape.numel();
    table.push_back({.name = "add_layer_norm " + spell(shape) + (affine ? "" : " plain"),
                     .op = "add_layer_norm",
                     .kernels = {"add_layer_norm_forward", "layer_norm_backward"},
                     .inputs = inputs,
                     .build =
                         [affine](const auto& in) {
                             const auto [sum, y] =
                                 ops::add_layer_norm(in[0], in[1], affine ? in[2] : Tensor(),
                                                     affine ? in[3] : Tensor(), 1e-5);
                             return ops::concat({sum, y}, 0);
                         },
                     .flops = 9.0 * static_cast<double>(n),
                     .bytes = traffic(inputs, 2 * n),
                     .terms = std::max(shape[-1], shape[-1] > 0 ? n / shape[-1] : 1),
                     .cancelling = shape[-1] == 1 ? 316.0 : 0.0});
}

void add_batch_norm(std::vector<Case>& table, const Shape& shape, bool training,
                    Layout layout = Layout::Dense) {
    const Shape channels = {shape[-1]};
    const std::vector<Input> inputs = {{shape, Values::Uniform, true, layout, 0},
                                       {channels, Values::Positive},
                                       {channels},
                                       constant(channels),
                                       constant(channels, Values::Positive)};
    const std::int64_t n = shape.numel();
    const std::string mode = training ? "train" : "eval";
    table.push_back({.name = "batch_norm " + mode + " " + spell(shape) +
                             (layout == Layout::Dense ? "" : " transposed"),
                     .op = "batch_norm",
                     .kernels = {"batch_norm_forward_" + mode, "batch_norm_backward_" + mode},
                     .inputs = inputs,
                     .build =
                         [training](const auto& in) {
                             return ops::batch_norm(in[0], in[1], in[2], in[3].clone(),
                                                    in[4].clone(), training, 1e-5, 0.1);
                         },
                     .flops = 6.0 * static_cast<double>(n),
                     .bytes = traffic(inputs, n),
                     .terms = shape[-1] > 0 ? std::max<std::int64_t>(n / shape[-1], 1) : 1});
}

/// The moved running statistics [2, C], which have no gradient.
void add_running_statistics(std::vector<Case>& table, const Shape& shape) {
    const Shape channels = {shape[-1]};
    const std::vector<Input> inputs = {constant(shape), constant(channels, Values::Positive),
                                       constant(channels), constant(channels),
                                       constant(channels, Values::Positive)};
    table.push_back({.name = "batch_norm running statistics " + spell(shape),
                     .op = "batch_norm",
                     .kernels = {"batch_norm_forward_train"},
                     .inputs = inputs,
                     .build =
                         [](const auto& in) {
                             const Tensor mean = in[3].clone(), var = in[4].clone();
                             ops::batch_norm(in[0], in[1], in[2], mean, var, true, 1e-5, 0.3);
                             return ops::concat({mean.reshape({1, -1}), var.reshape({1, -1})}, 0);
                         },
                     .flops = 6.0 * static_cast<double>(shape.numel()),
                     .bytes = traffic(inputs, 2 * shape[-1]),
                     .terms = shape.numel() / shape[-1]});
}

}  // namespace

void add_norm_cases(std::vector<Case>& table) {
    for (const bool affine : {true, false}) {
        for (const std::int64_t C : {1, 31, 32, 33}) add_layer_norm(table, {5, C}, affine);
        add_layer_norm(table, {0, 7}, affine);
    }
    add_layer_norm(table, {33}, true);
    add_layer_norm(table, {31, 33}, true, Layout::Transposed);
    add_layer_norm(table, {5, 33}, true, Layout::Dense, Layout::Sliced);
    add_layer_norm(table, {2, 197, 384}, true);
    add_layer_norm(table, {2, 49, 64}, true);
    add_layer_norm(table, {2, 17, 96}, true);
    add_layer_norm(table, {130, 40}, true);  // several blocks on a GPU, an odd number of chunks
    add_layer_norm(table, {3, 1000}, true);
    // A row is a block's on a GPU; several rows; memory for all the weights; more than registers hold.
    add_layer_norm(table, {2, 3000}, true);
    add_layer_norm(table, {20, 1048}, true);
    add_layer_norm(table, {2, 12200}, true);
    add_layer_norm(table, {2, 13000}, true);
    for (const Shape& shape :
         {Shape{5, 1}, Shape{7, 33}, Shape{0, 7}, Shape{2, 17, 96}, Shape{3, 1000}})
        add_add_layer_norm(table, shape, true);
    add_add_layer_norm(table, {3, 768}, false);

    for (const bool training : {true, false}) {
        for (const std::int64_t C : {1, 31, 32, 33}) add_batch_norm(table, {7, C}, training);
        for (const std::int64_t C : {8, 24}) add_batch_norm(table, {70, C}, training);
        add_batch_norm(table, {2, 5, 7, 33}, training);
        add_batch_norm(table, {31, 33}, training, Layout::Transposed);
        add_batch_norm(table, {2, 7, 7, 64}, training);
        add_batch_norm(table, {1, 28, 28, 192}, training);
        add_batch_norm(table, {4, 1, 1, 512}, training);  // a ResNet's last stage on tiny images
        add_batch_norm(table, {8, 2379}, training);       // behind a linear layer
    }
    add_batch_norm(table, {0, 5}, false);
    add_running_statistics(table, {2, 33});
    add_running_statistics(table, {2, 7, 7, 64});
}

}  // namespace fovea::tests
