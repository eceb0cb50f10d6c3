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

std::string stored(Layout x, Layout w) {
    return std::string(x == Layout::Dense    ? ""
                       : x == Layout::Sliced ? " sliced"
                                             : " transposed") +
           (w == Layout::Dense ? "" : " strided weight");
}

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
             stored(layout, weight_layout),
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

/// pre [.., K] and N, f. The values of pre stay where f is defined.
void add_activated_linear(std::vector<Case>& table, const LinearShape& s, bool bias, Unary f,
                          Layout layout = Layout::Dense, Layout weight_layout = Layout::Dense) {
    const std::int64_t K = s.x[-1], rows = K > 0 ? s.x.numel() / K : 0;
    const bool positive = f == Unary::Log || f == Unary::Sqrt;
    std::vector<Input> inputs = {
        {s.x, positive ? Values::Positive : Values::Uniform, true, layout, 0},
        {{s.N, K}, Values::Uniform, true, weight_layout, 0}};
    if (bias) inputs.push_back({{s.N}});
    table.push_back({.name = "activated_linear " + spell(s.x) + "->" + std::to_string(s.N) +
                             (bias ? " bias" : "") + " activation " +
                             std::to_string(static_cast<int>(f)) + stored(layout, weight_layout),
                     .op = "activated_linear",
                     .kernels = {"unary_forward", "linear_forward", "linear_backward_preactivation",
                                 "linear_backward_weight"},
                     .inputs = inputs,
                     .build =
                         [=](const auto& in) {
                             return ops::activated_linear(in[0], in[1], bias ? in[2] : Tensor(), f);
                         },
                     .flops = 2.0 * static_cast<double>(rows * K * s.N),
                     .bytes = traffic(inputs, rows * s.N),
                     .terms = std::max({rows, K, s.N}),
                     .kinks = f == Unary::Relu});
}

void add_activated_linears(std::vector<Case>& table) {
    for (const Unary f :
         {Unary::Relu, Unary::GeluErf, Unary::GeluTanh, Unary::QuickGelu, Unary::Silu,
          Unary::Sigmoid, Unary::Tanh, Unary::Exp, Unary::Log, Unary::Sqrt, Unary::Square})
        add_activated_linear(table, {{7, 33}, 17}, true, f);
    // cuBLASLt multiplies by the slope of GeluTanh in BF16 where rows are multiples of 8, if 16-byte
    // aligned; erf is a kernel of its own there, and Fovea's own product has both in its epilogue.
    for (const Unary f : {Unary::GeluErf, Unary::GeluTanh}) {
        add_activated_linear(table, {{9, 40}, 24}, false, f);
        add_activated_linear(table, {{1, 8}, 16}, true, f);
        add_activated_linear(table, {{2, 49, 128}, 64}, true, f);
        add_activated_linear(table, {{0, 8}, 3}, true, f);
        add_activated_linear(table, {{2, 3, 31}, 33}, true, f);
    }
    add_activated_linear(table, {{31, 40}, 32}, true, Unary::GeluTanh, Layout::Transposed);
    add_activated_linear(table, {{31, 40}, 32}, true, Unary::GeluTanh, Layout::Sliced,
                         Layout::Transposed);
    // So few tiles and so long a sum that Fovea's own product cuts it into parts.
    add_activated_linear(table, {{20, 72}, 640}, true, Unary::GeluErf);
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
    add_matmul(table, 2, 5, 7, 1000, false, true);  // the summed axis is cut into parts

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
    // Few tiles, a long summed axis: forward is cut into parts; the weight's gradient into many.
    add_linear(table, {{9, 1200}, 20}, true, Unary::Identity);
    add_linear(table, {{5000, 16}, 24}, true, Unary::Identity);

    add_activated_linears(table);
}

}  // namespace fovea::tests
