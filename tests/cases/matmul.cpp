// Matrix products and fully connected layers.
#include "core/ops/matmul.h"

#include "tests/cases/families.h"

namespace fovea::tests {
namespace {

void add_matmul(std::vector<Case>& table, std::int64_t batch, std::int64_t M, std::int64_t N,
                std::int64_t K, bool ta, bool tb, Layout layout = Layout::Dense) {
    Shape a = ta ? Shape{K, M} : Shape{M, K}, b = tb ? Shape{N, K} : Shape{K, N};
    if (batch > 0) {
        a = {batch, a[0], a[1]};
        b = {batch, b[0], b[1]};
    }
    const bool own = layout != Layout::Repeated;
    const std::vector<Input> inputs = {{a, Values::Uniform, own, layout, 0},
                                       {b, Values::Uniform, own, layout, 0}};
    const std::int64_t out = std::max<std::int64_t>(batch, 1) * M * N;
    static constexpr const char* layouts[] = {"", " transposed", " sliced", " repeated"};
    table.push_back(
        {.name = "matmul " + spell(a) + (ta ? "T " : " ") + spell(b) + (tb ? "T" : "") +
                 layouts[static_cast<int>(layout)],
         .op = "matmul",
         .kernels = {"matmul"},
         .inputs = inputs,
         .build = [=](const auto& in) { return ops::matmul(in[0], in[1], ta, tb, 0.75); },
         .flops = 2.0 * static_cast<double>(out * K),
         .bytes = traffic(inputs, out),
         .terms = std::max({M, N, K})});
}

struct LinearShape {
    Shape x;  // [.., K]
    std::int64_t N;
};

void add_linear(std::vector<Case>& table, const LinearShape& s, bool bias, Unary f,
                Layout layout = Layout::Dense, Layout weight_layout = Layout::Dense) {
    const std::int64_t K = s.x[-1], rows = K > 0 ? s.x.numel() / K : 0;
    std::vector<Input> inputs = {{s.x, Values::Uniform, true, layout, 0},
                                 {{s.N, K}, Values::Uniform, true, weight_layout, 0}};
    if (bias) inputs.push_back({{s.N}});
    table.push_back(
        {.name =
             "linear " + spell(s.x) + "->" + std::to_string(s.N) + (bias ? " bias" : "") +
             (f == Unary::Identity ? "" : " activation " + std::to_string(static_cast<int>(f))) +
             (layout == Layout::Dense    ? ""
              : layout == Layout::Sliced ? " sliced"
                                         : " transposed") +
             (weight_layout == Layout::Dense ? "" : " strided weight"),
         .op = "linear",
         .kernels = {"linear_forward", "linear_backward_input", "linear_backward_weight"},
         .inputs = inputs,
         .build =
             [=](const auto& in) { return ops::linear(in[0], in[1], bias ? in[2] : Tensor(), f); },
         .flops = 2.0 * static_cast<double>(rows * K * s.N),
         .bytes = traffic(inputs, rows * s.N),
         .terms = std::max({rows, K, s.N}),
         .kinks = f == Unary::Relu});
}

}  // namespace

void add_matmul_cases(std::vector<Case>& table) {
    for (const bool ta : {false, true})
        for (const bool tb : {false, true}) {
            add_matmul(table, 0, 31, 33, 32, ta, tb);
            add_matmul(table, 3, 5, 7, 33, ta, tb);
            add_matmul(table, 2, 9, 8, 7, ta, tb, Layout::Sliced);
        }
    add_matmul(table, 0, 1, 1, 1, false, false);
    add_matmul(table, 0, 0, 5, 3, false, false);
    add_matmul(table, 0, 4, 5, 0, false, false);
    add_matmul(table, 0, 31, 33, 7, false, false, Layout::Transposed);
    add_matmul(table, 3, 5, 6, 7, false, true, Layout::Transposed);
    add_matmul(table, 3, 5, 6, 7, false, false, Layout::Repeated);
    add_matmul(table, 0, 5, 6, 7, false, false, Layout::Repeated);
    add_matmul(table, 3, 197, 50, 64, false, true);

    for (const bool bias : {false, true}) {
        add_linear(table, {{31, 33}, 32}, bias, Unary::Identity);
        add_linear(table, {{1, 1}, 1}, bias, Unary::Identity);
        add_linear(table, {{0, 5}, 3}, bias, Unary::Identity);
        add_linear(table, {{2, 3, 33}, 31}, bias, Unary::Identity);
    }
    for (const Unary f : {Unary::Relu, Unary::GeluErf, Unary::GeluTanh, Unary::QuickGelu,
                          Unary::Silu, Unary::Sigmoid, Unary::Tanh, Unary::Exp, Unary::Square})
        add_linear(table, {{7, 33}, 17}, true, f);
    add_linear(table, {{31, 33}, 32}, true, Unary::Identity, Layout::Transposed);
    add_linear(table, {{31, 33}, 32}, true, Unary::Identity, Layout::Sliced);
    add_linear(table, {{31, 33}, 32}, true, Unary::Identity, Layout::Dense, Layout::Transposed);
    // CvT: projections of a 7x7 map, an MLP, the last stage with its class token, classifier.
    add_linear(table, {{2, 49, 64}, 64}, true, Unary::Identity);
    add_linear(table, {{2, 49, 64}, 128}, true, Unary::GeluErf);
    add_linear(table, {{2, 17, 96}, 192}, true, Unary::GeluErf);
    add_linear(table, {{1, 197, 384}, 384}, true, Unary::Identity);
    add_linear(table, {{1, 784, 64}, 256}, true, Unary::Identity);
    add_linear(table, {{16, 96}, 10}, true, Unary::Identity);
}

}  // namespace fovea::tests
