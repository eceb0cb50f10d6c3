// Broadcasting arithmetic, activations, and the elementwise kernels that Tensor itself uses.
#include "core/ops/elementwise.h"

#include "kernels/include/reduce.h"
#include "tests/cases/families.h"

namespace fovea::tests {
namespace {

const char* name_of(Unary f) {
    switch (f) {
        case Unary::Identity: return "identity";
        case Unary::Relu: return "relu";
        case Unary::GeluErf: return "gelu_erf";
        case Unary::GeluTanh: return "gelu_tanh";
        case Unary::QuickGelu: return "quick_gelu";
        case Unary::Silu: return "silu";
        case Unary::Sigmoid: return "sigmoid";
        case Unary::Tanh: return "tanh";
        case Unary::Exp: return "exp";
        case Unary::Log: return "log";
        case Unary::Sqrt: return "sqrt";
        case Unary::Square: return "square";
    }
    return "?";
}

struct Arithmetic {
    const char* name;
    Tensor (*function)(const Tensor&, const Tensor&);
};
constexpr Arithmetic arithmetic[] = {
    {"add", ops::add}, {"sub", ops::sub}, {"mul", ops::mul}, {"div", ops::div}};

void add_binary(std::vector<Case>& table, const Arithmetic& f, Input a, Input b,
                const std::string& variant) {
    // Inputs of one rank, or b a suffix of a: enough to find the output's shape here.
    Shape out = a.shape;
    std::int64_t repeats = 1;
    for (int i = 1; i <= b.shape.rank; ++i)
        if (out[-i] == 1) out[-i] = b.shape[-i];
    for (const Input& input : {a, b})
        if (input.shape.numel() > 0) repeats = std::max(repeats, out.numel() / input.shape.numel());
    b.values = Values::Positive;  // a divisor
    const auto function = f.function;
    table.push_back(
        {.name = std::string(f.name) + " " + spell(a.shape) + " " + spell(b.shape) + variant,
         .op = f.name,
         .kernels = {"binary", "axpby", "reduce_sum"},
         .inputs = {a, b},
         .build = [function](const auto& in) { return function(in[0], in[1]); },
         .flops = static_cast<double>(out.numel()),
         .bytes = traffic({a, b}, out.numel()),
         .terms = repeats});
}

void add_unary(std::vector<Case>& table, Unary f, Input x, const std::string& variant = "") {
    if (f == Unary::Log || f == Unary::Sqrt) x.values = Values::Positive;
    table.push_back({.name = std::string(name_of(f)) + " " + spell(x.shape) + variant,
                     .op = f == Unary::Relu ? "relu" : "unary",
                     .kernels = {"unary_forward", "unary_backward"},
                     .inputs = {x},
                     .build = [f](const auto& in) { return ops::unary(in[0], f); },
                     .flops = static_cast<double>(x.shape.numel()),
                     .bytes = traffic({x}, x.shape.numel()),
                     .kinks = f == Unary::Relu});
}

void add_kernel_cases(std::vector<Case>& table) {
    for (const Shape& shape : {Shape{}, Shape{0}, Shape{33}, Shape{3, 31, 5}}) {
        const double n = static_cast<double>(shape.numel());
        table.push_back({.name = "fill " + spell(shape),
                         .op = "fill",
                         .kernels = {"fill"},
                         .inputs = {constant(shape)},
                         .build =
                             [](const auto& in) {
                                 const Tensor y = in[0].clone();
                                 kernels::fill(y.stream(), y.view(), 0.25);
                                 return y;
                             },
                         .bytes = 4.0 * n});
        for (const double beta : {0.0, 1.0, -0.5})
            table.push_back({.name = "axpby " + spell(shape) + " beta " + std::to_string(beta),
                             .op = "axpby",
                             .kernels = {"axpby"},
                             .inputs = {constant(shape), constant(shape)},
                             .build =
                                 [beta](const auto& in) {
                                     const Tensor y =
                                         beta == 0.0 ? Tensor::empty(in[0].shape(), in[0].dtype(),
                                                                     in[0].device())
                                                     : in[1].clone();
                                     kernels::axpby(y.stream(), y.view(), in[0], 1.5, beta);
                                     return y;
                                 },
                             .flops = 3.0 * n,
                             .bytes = 12.0 * n});
    }
    for (const Layout layout :
         {Layout::Dense, Layout::Transposed, Layout::Sliced, Layout::Repeated}) {
        Input x = constant({5, 31, 33});
        x.layout = layout;
        table.push_back({.name = "copy 5x31x33 layout " + std::to_string(static_cast<int>(layout)),
                         .op = "copy",
                         .kernels = {"copy"},
                         .inputs = {x},
                         .build = [](const auto& in) { return in[0].clone(); },
                         .bytes = traffic({x}, x.shape.numel())});
    }
    const Input to = constant({31, 33}), from = constant({31, 7});
    table.push_back({.name = "copy 31x7 into a strided view",
                     .op = "copy",
                     .kernels = {"copy"},
                     .inputs = {to, from},
                     .build =
                         [](const auto& in) {
                             const Tensor y = in[0].clone();
                             y.slice(1, 9, 16).copy_from(in[1]);
                             return y;
                         },
                     .bytes = traffic({to, from}, to.shape.numel())});
}

}  // namespace

void add_elementwise_cases(std::vector<Case>& table) {
    for (const Arithmetic& f : arithmetic) {
        add_binary(table, f, {{}}, {{}}, "");
        add_binary(table, f, {{31, 33}}, {{31, 33}}, "");
        add_binary(table, f, {{5, 31, 33}}, {{33}}, "");
        add_binary(table, f, {{31, 1}}, {{1, 32}}, "");
        add_binary(table, f, {{3, 1, 33}}, {{3, 31, 1}}, "");
        add_binary(table, f, {{0, 5}}, {{1, 5}}, "");
        add_binary(table, f, {.shape = {31, 33}, .layout = Layout::Transposed},
                   {.shape = {31, 33}, .layout = Layout::Sliced}, " strided");
    }
    add_binary(table, arithmetic[0], {{2, 197, 96}}, {{197, 96}}, "");
    table.push_back({.name = "binary mul of a tensor with itself",
                     .op = "binary",
                     .kernels = {"binary"},
                     .inputs = {{{7, 33}}},
                     .build = [](const auto& in) { return ops::binary(in[0], in[0], Binary::Mul); },
                     .flops = 231.0,
                     .bytes = 8.0 * 231.0});

    for (const Shape& shape : {Shape{}, Shape{0, 3}, Shape{31, 33}})
        table.push_back({.name = "scale " + spell(shape),
                         .op = "scale",
                         .kernels = {"axpby"},
                         .inputs = {{shape}},
                         .build = [](const auto& in) { return ops::scale(in[0], -1.25); },
                         .flops = static_cast<double>(shape.numel()),
                         .bytes = 8.0 * static_cast<double>(shape.numel())});

    for (const Unary f :
         {Unary::Relu, Unary::GeluErf, Unary::GeluTanh, Unary::QuickGelu, Unary::Silu,
          Unary::Sigmoid, Unary::Tanh, Unary::Exp, Unary::Log, Unary::Sqrt, Unary::Square})
        for (const Shape& shape : {Shape{1}, Shape{31, 33}}) add_unary(table, f, {shape});
    add_unary(table, Unary::Relu, {{0, 4}});
    add_unary(table, Unary::GeluErf, {{197, 32}});
    add_unary(table, Unary::GeluErf, {.shape = {31, 33}, .layout = Layout::Transposed},
              " transposed");
    add_unary(table, Unary::Silu, {.shape = {31, 33}, .layout = Layout::Sliced}, " sliced");
    add_kernel_cases(table);
}

}  // namespace fovea::tests
