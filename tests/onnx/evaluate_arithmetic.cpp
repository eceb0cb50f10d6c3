// Elementwise operators, products, sums and norms.
#include <algorithm>
#include <cmath>

#include "tests/onnx/evaluator.h"

namespace test {
namespace {

/// Offset in an array of `shape` of a place in one that it is broadcast to.
std::int64_t broadcast_offset(const Extents& shape, const Extents& strides, const Extents& place) {
    std::int64_t offset = 0;
    const std::size_t lead = place.size() - shape.size();
    for (std::size_t i = 0; i < shape.size(); ++i)
        if (shape[i] != 1) offset += place[lead + i] * strides[i];
    return offset;
}

Extents broadcast_shape(const Extents& a, const Extents& b) {
    Extents out(std::max(a.size(), b.size()), 1);
    for (const Extents* shape : {&a, &b})
        for (std::size_t i = 0; i < shape->size(); ++i) {
            std::int64_t& extent = out[out.size() - shape->size() + i];
            if (extent == 1)
                extent = (*shape)[i];
            else if ((*shape)[i] != 1 && (*shape)[i] != extent)
                throw std::runtime_error("shapes do not broadcast");
        }
    return out;
}

void advance(Extents& place, const Extents& shape) {
    for (std::size_t i = shape.size(); i-- > 0;) {
        if (++place[i] < shape[i]) return;
        place[i] = 0;
    }
}

template <class F>
Operator binary(const F& f) {
    return [f](const Operation& op) -> Results {
        const Array &a = op.in(0), &b = op.in(1);
        Array y = array(broadcast_shape(a.shape, b.shape));
        const Extents sa = strides_of(a.shape), sb = strides_of(b.shape);
        Extents place(y.shape.size(), 0);
        for (double& value : y.values) {
            value = f(element(a, broadcast_offset(a.shape, sa, place)),
                      element(b, broadcast_offset(b.shape, sb, place)));
            advance(place, y.shape);
        }
        return {y};
    };
}

template <class F>
Operator unary(const F& f) {
    return [f](const Operation& op) -> Results {
        Array y = op.in(0);
        for (double& value : y.values) value = f(value);
        return {y};
    };
}

/// [.., M,K] [.., K,N], leading axes broadcast.
Results matmul(const Operation& op) {
    const Array &a = op.in(0), &b = op.in(1);
    const std::int64_t M = a.size(-2), K = a.size(-1), N = b.size(-1);
    if (b.size(-2) != K) throw std::runtime_error("MatMul");
    const Extents lead_a(a.shape.begin(), a.shape.end() - 2),
        lead_b(b.shape.begin(), b.shape.end() - 2);
    Extents shape = broadcast_shape(lead_a, lead_b);
    const Extents lead = shape, sa = strides_of(lead_a), sb = strides_of(lead_b);
    shape.insert(shape.end(), {M, N});
    Array y = array(shape);
    Extents place(lead.size(), 0);
    for (std::int64_t batch = 0; batch < elements(lead); ++batch, advance(place, lead)) {
        const std::int64_t first_a = broadcast_offset(lead_a, sa, place) * M * K,
                           first_b = broadcast_offset(lead_b, sb, place) * K * N;
        for (std::int64_t m = 0; m < M; ++m)
            for (std::int64_t k = 0; k < K; ++k)
                for (std::int64_t n = 0; n < N; ++n)
                    element(y, (batch * M + m) * N + n) +=
                        element(a, first_a + m * K + k) * element(b, first_b + k * N + n);
    }
    return {y};
}

/// a b^T + c.
Results gemm(const Operation& op) {
    const Array &a = op.in(0), &b = op.in(1);
    if (op.integer("transB", 0) != 1 || a.size(1) != b.size(1)) throw std::runtime_error("Gemm");
    Array y = array({a.size(0), b.size(0)});
    for (std::int64_t i = 0; i < y.size(0); ++i)
        for (std::int64_t j = 0; j < y.size(1); ++j) {
            double sum = op.has(2) ? element(op.in(2), j) : 0.0;
            for (std::int64_t k = 0; k < a.size(1); ++k)
                sum += element(a, i * a.size(1) + k) * element(b, j * a.size(1) + k);
            element(y, i * y.size(1) + j) = sum;
        }
    return {y};
}

/// Sums over some axes, which stay with an extent of one.
Array reduced(const Array& x, const Extents& axes) {
    Extents kept = x.shape;
    for (const std::int64_t axis : axes) kept.at(x.at(static_cast<int>(axis))) = 1;
    Array y = array(kept);
    const Extents strides = strides_of(kept);
    Extents place(kept.size(), 0);
    for (const double value : x.values) {
        element(y, broadcast_offset(kept, strides, place)) += value;
        advance(place, x.shape);
    }
    return y;
}

Results reduce_sum(const Operation& op) { return {reduced(op.in(0), op.in(1).integers())}; }

Results reduce_mean(const Operation& op) {
    Array y = reduced(op.in(0), op.list("axes"));
    for (double& value : y.values)
        value *= static_cast<double>(y.values.size()) / static_cast<double>(op.in(0).values.size());
    return {y};
}

/// f(first, last) on every row of the last axis.
template <class F>
Array on_rows(const Operation& op, const F& f) {
    if (op.integer("axis", 0) != -1) throw std::runtime_error("axis");
    Array y = op.in(0);
    const std::int64_t width = y.size(-1);
    for (std::int64_t row = 0; row * width < elements(y.shape); ++row)
        f(y.values.begin() + row * width, y.values.begin() + (row + 1) * width);
    return y;
}

double log_sum_exp(std::vector<double>::iterator first, std::vector<double>::iterator last) {
    const double largest = *std::max_element(first, last);
    double sum = 0.0;
    for (auto x = first; x != last; ++x) sum += std::exp(*x - largest);
    return largest + std::log(sum);
}

Results softmax(const Operation& op) {
    return {on_rows(op, [](auto first, auto last) {
        const double total = log_sum_exp(first, last);
        for (auto x = first; x != last; ++x) *x = std::exp(*x - total);
    })};
}

Results log_softmax(const Operation& op) {
    return {on_rows(op, [](auto first, auto last) {
        const double total = log_sum_exp(first, last);
        for (auto x = first; x != last; ++x) *x -= total;
    })};
}

Results layer_normalization(const Operation& op) {
    const double eps = op.number("epsilon");
    return {on_rows(op, [&](auto first, auto last) {
        const auto n = static_cast<double>(last - first);
        double mean = 0.0, variance = 0.0;
        for (auto x = first; x != last; ++x) mean += *x / n;
        for (auto x = first; x != last; ++x) variance += (*x - mean) * (*x - mean) / n;
        for (auto x = first; x != last; ++x)
            *x = (*x - mean) / std::sqrt(variance + eps) * element(op.in(1), x - first) +
                 (op.has(2) ? element(op.in(2), x - first) : 0.0);
    })};
}

/// Channels are axis 1.
Results batch_normalization(const Operation& op) {
    Array y = op.in(0);
    const std::int64_t channels = y.size(1), each = strides_of(y.shape)[1];
    for (std::int64_t i = 0; i < elements(y.shape); ++i) {
        const std::int64_t c = i / each % channels;
        const double deviation = std::sqrt(element(op.in(4), c) + op.number("epsilon"));
        element(y, i) = (element(y, i) - element(op.in(3), c)) / deviation * element(op.in(1), c) +
                        element(op.in(2), c);
    }
    return {y};
}

}  // namespace

void add_arithmetic_operators(Operators& operators) {
    operators["Add"] = binary([](double a, double b) { return a + b; });
    operators["Sub"] = binary([](double a, double b) { return a - b; });
    operators["Mul"] = binary([](double a, double b) { return a * b; });
    operators["Div"] = binary([](double a, double b) { return a / b; });
    operators["Relu"] = unary([](double x) { return x > 0.0 ? x : 0.0; });
    operators["Erf"] = unary([](double x) { return std::erf(x); });
    operators["Tanh"] = unary([](double x) { return std::tanh(x); });
    operators["Sigmoid"] = unary([](double x) { return 1.0 / (1.0 + std::exp(-x)); });
    operators["Exp"] = unary([](double x) { return std::exp(x); });
    operators["Log"] = unary([](double x) { return std::log(x); });
    operators["Sqrt"] = unary([](double x) { return std::sqrt(x); });
    operators["MatMul"] = matmul;
    operators["Gemm"] = gemm;
    operators["ReduceSum"] = reduce_sum;
    operators["ReduceMean"] = reduce_mean;
    operators["Softmax"] = softmax;
    operators["LogSoftmax"] = log_softmax;
    operators["LayerNormalization"] = layer_normalization;
    operators["BatchNormalization"] = batch_normalization;
}

}  // namespace test
