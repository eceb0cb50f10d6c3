// Elementwise ops, sums and softmax.
#include <algorithm>
#include <cmath>

#include "apps/onnx/ops.h"

namespace fovea::apps {
namespace {

const char* type_of(Binary op) {
    switch (op) {
        case Binary::Sub: return "Sub";
        case Binary::Mul: return "Mul";
        case Binary::Div: return "Div";
        default: return "Add";
    }
}

/// Elements of maps that are all there in planes are combined in planes.
void binary_of(OnnxBuilder& b, int result, int x, int y, const char* type) {
    const Extents extents = b.extents(result);
    const auto whole_map = [&](int value) {
        return b.extents(value) == extents && b.in_planes(value);
    };
    if (whole_map(x) && whole_map(y))
        b.bind_planes(result, b.node(type, {b.planes(x), b.planes(y)}));
    else
        b.bind_plain(result, b.node(type, {b.plain(x), b.plain(y)}));
}

void binary(OnnxBuilder& b, const OnnxCall& c) {
    binary_of(b, c.result(), c.tensor(0), c.tensor(1), type_of(c.value<Binary>(2)));
}

void residual_sum(OnnxBuilder& b, const OnnxCall& c) {
    binary_of(b, c.result(), c.tensor(0), c.tensor(1), "Add");
}

/// f on every element, in the form that x has.
template <class F>
void map_elements(OnnxBuilder& b, const OnnxCall& c, const F& f) {
    const int x = c.tensor(0);
    if (b.in_planes(x))
        b.bind_planes(c.result(), f(b.planes(x)));
    else
        b.bind_plain(c.result(), f(b.plain(x)));
}

void unary(OnnxBuilder& b, const OnnxCall& c) {
    const auto f = c.value<Unary>(1);
    map_elements(b, c, [&](const std::string& x) { return onnx_activation(b, x, f); });
}

void scale(OnnxBuilder& b, const OnnxCall& c) {
    const std::string alpha = b.scalar(c.value<double>(1));
    map_elements(b, c, [&](const std::string& x) { return b.node("Mul", {x, alpha}); });
}

/// factor * sum; the result has extents of 1 where it was summed.
void sum(OnnxBuilder& b, const OnnxCall& c) {
    const int x = c.tensor(0);
    const Extents from = b.extents(x), to = b.extents(c.result());
    std::vector<std::int64_t> axes;
    std::int64_t count = 1;
    for (std::size_t i = 0; i < from.size(); ++i) {
        if (from[i] == to[i]) continue;
        axes.push_back(static_cast<std::int64_t>(i));
        count *= from[i].size;
    }
    const auto factor = c.value<double>(2);
    const bool mean = factor == 1.0 / static_cast<double>(count);
    std::string y = b.plain(x);
    if (!axes.empty() && mean)
        return b.bind_plain(c.result(), b.node("ReduceMean", {y}, {{"axes", axes}}));
    if (!axes.empty()) y = b.node("ReduceSum", {y, b.integers(axes)});
    b.bind_plain(c.result(), factor == 1.0 ? y : b.node("Mul", {y, b.scalar(factor)}));
}

void softmax(OnnxBuilder& b, const OnnxCall& c) {
    b.bind_plain(c.result(),
                 b.node("Softmax", {b.plain(c.tensor(0))}, {{"axis", std::int64_t{-1}}}));
}

void log_softmax(OnnxBuilder& b, const OnnxCall& c) {
    b.bind_plain(c.result(),
                 b.node("LogSoftmax", {b.plain(c.tensor(0))}, {{"axis", std::int64_t{-1}}}));
}

/// 0.5 x (1 + x'), where x' is between -1 and 1: both forms of GELU.
std::string gelu(OnnxBuilder& b, const std::string& x, const std::string& side) {
    const std::string sum = b.node("Add", {side, b.scalar(1.0)});
    return b.node("Mul", {b.node("Mul", {x, sum}), b.scalar(0.5)});
}

}  // namespace

std::string onnx_activation(OnnxBuilder& b, const std::string& x, Unary f) {
    const auto times = [&](double by) { return b.node("Mul", {x, b.scalar(by)}); };
    switch (f) {
        case Unary::Identity: return x;
        case Unary::Relu: return b.node("Relu", {x});
        case Unary::Sigmoid: return b.node("Sigmoid", {x});
        case Unary::Tanh: return b.node("Tanh", {x});
        case Unary::Exp: return b.node("Exp", {x});
        case Unary::Log: return b.node("Log", {x});
        case Unary::Sqrt: return b.node("Sqrt", {x});
        case Unary::Square: return b.node("Mul", {x, x});
        case Unary::Silu: return b.node("Mul", {x, b.node("Sigmoid", {x})});
        case Unary::QuickGelu: return b.node("Mul", {x, b.node("Sigmoid", {times(1.702)})});
        case Unary::GeluErf:
            return gelu(b, x, b.node("Erf", {b.node("Div", {x, b.scalar(std::sqrt(2.0))})}));
        case Unary::GeluTanh: {  // tanh(sqrt(2 / pi) (x + 0.044715 x^3))
            const std::string square = b.node("Mul", {x, x});
            const std::string cube = b.node("Mul", {square, times(0.044715)});
            const std::string inner = b.node("Add", {x, cube});
            const double by = std::sqrt(2.0 / 3.14159265358979323846);
            return gelu(b, x, b.node("Tanh", {b.node("Mul", {inner, b.scalar(by)})}));
        }
    }
    return x;
}

void add_elementwise_ops(OnnxOps& ops) {
    ops["binary"] = binary;
    ops["residual_sum"] = residual_sum;
    ops["unary"] = unary;
    ops["scale"] = scale;
    ops["sum"] = sum;
    ops["softmax"] = softmax;
    ops["log_softmax"] = log_softmax;
}

}  // namespace fovea::apps
