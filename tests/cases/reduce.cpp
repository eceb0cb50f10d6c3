// Sums, means, and the whole-tensor reductions that clipping and anomaly checks use.
#include "core/ops/reduce.h"

#include "kernels/include/elementwise.h"
#include "kernels/include/reduce.h"
#include "tests/cases/families.h"

namespace fovea::tests {
namespace {

void add_sum(std::vector<Case>& table, bool mean, const Input& x, const std::vector<int>& axes,
             bool keepdim, const std::string& variant = "") {
    std::int64_t terms = 1;
    std::string over;
    for (const int axis : axes) {
        terms *= x.shape[axis];
        over += " " + std::to_string(axis);
    }
    table.push_back({.name = std::string(mean ? "mean " : "sum ") + spell(x.shape) + " over" +
                             over + (keepdim ? " keepdim" : "") + variant,
                     .op = mean ? "mean" : "sum",
                     .kernels = {"reduce_sum", "copy", "axpby"},
                     .inputs = {x},
                     .build =
                         [=](const auto& in) {
                             return mean ? ops::mean(in[0], axes, keepdim)
                                         : ops::sum(in[0], axes, keepdim);
                         },
                     .flops = static_cast<double>(x.shape.numel()),
                     .bytes = traffic({x}, terms > 0 ? x.shape.numel() / terms : 0),
                     .terms = terms});
}

/// A kernel that takes a whole tensor to one number of another type.
template <class Kernel>
void add_total(std::vector<Case>& table, const std::string& kernel, DType out, const Shape& shape,
               Kernel launch) {
    table.push_back({.name = kernel + " " + spell(shape),
                     .op = kernel,
                     .kernels = {kernel},
                     .inputs = {constant(shape)},
                     .build =
                         [=](const auto& in) {
                             const Tensor y = Tensor::empty({1}, out, in[0].device());
                             launch(in[0], y);
                             return y;
                         },
                     .flops = 2.0 * static_cast<double>(shape.numel()),
                     .bytes = 4.0 * static_cast<double>(shape.numel())});
}

}  // namespace

void add_reduce_cases(std::vector<Case>& table) {
    for (const bool mean : {false, true}) {
        add_sum(table, mean, {{31, 33}}, {1}, false);
        add_sum(table, mean, {{31, 33}}, {0}, true);
        add_sum(table, mean, {{31, 33}}, {0, 1}, false);
        add_sum(table, mean, {{2, 5, 7, 33}}, {1, 2}, false);
        add_sum(table, mean, {{3, 1, 32}}, {-2}, true);
        add_sum(table, mean, {{2, 197, 32}}, {1}, false);
        add_sum(table, mean, {.shape = {31, 33}, .layout = Layout::Transposed}, {0}, false,
                " transposed");
        add_sum(table, mean, {.shape = {5, 31, 33}, .layout = Layout::Sliced}, {0, 2}, false,
                " sliced");
    }
    add_sum(table, false, {{0, 5}}, {0}, false);
    add_sum(table, false, {{5, 0}}, {0}, false);

    for (const Shape& shape : {Shape{0}, Shape{1}, Shape{33}, Shape{197, 96}}) {
        add_total(table, "sum_of_squares", DType::F64, shape, [](const Tensor& x, const Tensor& y) {
            kernels::sum_of_squares(x.stream(), y.view(), x);
        });
        add_total(
            table, "count_nonfinite", DType::I64, shape, [](const Tensor& x, const Tensor& y) {
                const Tensor poisoned = x.clone();  // the first quarter divided by zero
                if (x.numel() > 0) {
                    const Tensor zero = Tensor::zeros({}, x.dtype(), x.device());
                    const Tensor part = poisoned.slice(0, 0, (x.size(0) + 3) / 4);
                    const Tensor infinite = Tensor::empty(part.shape(), x.dtype(), x.device());
                    kernels::binary(x.stream(), infinite.view(), part, zero.expand(part.shape()),
                                    Binary::Div);
                    part.copy_from(infinite);
                }
                kernels::count_nonfinite(x.stream(), y.view(), poisoned);
            });
    }
}

}  // namespace fovea::tests
