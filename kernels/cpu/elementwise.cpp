// Unary functions, broadcasting binary functions, axpby. Everything is memory-bound except the
// activations, whose exp costs about as much as the traffic.
#include "kernels/include/elementwise.h"

#include "kernels/cpu/parallel.h"
#include "kernels/cpu/simd_math.h"
#include "kernels/cpu/strided.h"

namespace fovea::kernels::cpu {
namespace {

constexpr float kSqrt2OverPi = 0.7978845608f;
constexpr float kGeluCubic = 0.044715f;
constexpr float kQuickGelu = 1.702f;

/// Inner argument of the tanh approximation of GELU.
Vec gelu_inner(Vec x) { return kSqrt2OverPi * (x + kGeluCubic * x * x * x); }

/// Calls body(function of Vec) with f, so that every function gets a loop of its own.
template <class Body>
void with_function(Unary f, const Body& body) {
    switch (f) {
        case Unary::Identity: return body([](Vec x) { return x; });
        case Unary::Relu: return body([](Vec x) { return x < 0.0f ? Vec{} : x; });
        case Unary::GeluErf: return body([](Vec x) { return x * normal(x).cdf; });
        case Unary::GeluTanh:
            return body([](Vec x) { return 0.5f * x * (1.0f + tanh(gelu_inner(x))); });
        case Unary::QuickGelu: return body([](Vec x) { return x * sigmoid(kQuickGelu * x); });
        case Unary::Silu: return body([](Vec x) { return x * sigmoid(x); });
        case Unary::Sigmoid: return body([](Vec x) { return sigmoid(x); });
        case Unary::Tanh: return body([](Vec x) { return tanh(x); });
        case Unary::Exp: return body([](Vec x) { return exp(x); });
        case Unary::Log: return body([](Vec x) { return log(x); });
        case Unary::Sqrt: return body([](Vec x) { return sqrt(x); });
        case Unary::Square: return body([](Vec x) { return x * x; });
    }
}

/// Calls body with f' as a function of f's input.
template <class Body>
void with_derivative(Unary f, const Body& body) {
    switch (f) {
        case Unary::Identity: return body([](Vec) { return splat(1.0f); });
        case Unary::Relu: return body([](Vec x) { return x <= 0.0f ? Vec{} : splat(1.0f); });
        case Unary::GeluErf:
            return body([](Vec x) {
                const Normal n = normal(x);
                return n.cdf + x * n.density;
            });
        case Unary::GeluTanh:
            return body([](Vec x) {
                const Vec t = tanh(gelu_inner(x));
                const Vec inner = kSqrt2OverPi * (1.0f + 3.0f * kGeluCubic * x * x);
                return 0.5f * (1.0f + t) + 0.5f * x * (1.0f - t * t) * inner;
            });
        case Unary::QuickGelu:
            return body([](Vec x) {
                const Vec s = sigmoid(kQuickGelu * x);
                return s + kQuickGelu * x * s * (1.0f - s);
            });
        case Unary::Silu:
            return body([](Vec x) {
                const Vec s = sigmoid(x);
                return s + x * s * (1.0f - s);
            });
        case Unary::Sigmoid:
            return body([](Vec x) {
                const Vec s = sigmoid(x);
                return s * (1.0f - s);
            });
        case Unary::Tanh:
            return body([](Vec x) {
                const Vec t = tanh(x);
                return 1.0f - t * t;
            });
        case Unary::Exp: return body([](Vec x) { return exp(x); });
        case Unary::Log: return body([](Vec x) { return 1.0f / x; });
        case Unary::Sqrt: return body([](Vec x) { return 0.5f / sqrt(x); });
        case Unary::Square: return body([](Vec x) { return 2.0f * x; });
    }
}

}  // namespace

void unary_forward(const Stream&, View y, CView x, Unary f) {
    with_function(f, [&](auto function) {
        parallel_elements(y.numel(), 4, [&](std::int64_t begin, std::int64_t end) {
            map(end - begin, function, y.as<float>() + begin, x.as<float>() + begin);
        });
    });
}

void unary_backward(const Stream&, View dx, CView dy, CView x, Unary f, GradMode mode) {
    if (mode == GradMode::Ignore || !dx) return;
    with_derivative(f, [&](auto derivative) {
        parallel_elements(dx.numel(), 4, [&](std::int64_t begin, std::int64_t end) {
            float* const out = dx.as<float>() + begin;
            const float* const g = dy.as<float>() + begin;
            const float* const in = x.as<float>() + begin;
            if (mode == GradMode::Overwrite)
                map(
                    end - begin, [&](Vec d, Vec v) { return d * derivative(v); }, out, g, in);
            else
                map(
                    end - begin, [&](Vec sum, Vec d, Vec v) { return sum + d * derivative(v); },
                    out, out, g, in);
        });
    });
}

namespace {

/// One row: y[i] = op(a[i * a_step], b[i * b_step]).
template <class Op>
void binary_row(std::int64_t n, const Op& op, float* y, const float* a, std::int64_t a_step,
                const float* b, std::int64_t b_step) {
    if (a_step == 1 && b_step == 1) {
        map(n, op, y, a, b);
    } else if (a_step == 1 && b_step == 0) {
        map(
            n, [&, v = splat(*b)](Vec u) { return op(u, v); }, y, a);
    } else if (a_step == 0 && b_step == 1) {
        map(
            n, [&, u = splat(*a)](Vec v) { return op(u, v); }, y, b);
    } else {
        for (std::int64_t i = 0; i < n; ++i) y[i] = op(a[i * a_step], b[i * b_step]);
    }
}

template <class Op>
void binary_with(const Op& op, View y, CView a, CView b) {
    StridedLoop<3> loop = StridedLoop<3>{y.shape, {y.strides, a.strides, b.strides}}.merged();
    if (loop.shape.rank == 0) loop.push(1, {1, 1, 1});
    const StridedLoop<3> outer = loop.outer();
    const std::int64_t rows = outer.shape.numel(), n = loop.shape[-1];
    const std::int64_t a_step = loop.strides[1][-1], b_step = loop.strides[2][-1];
    float* const y0 = y.as<float>();
    const float *const a0 = a.as<float>(), *const b0 = b.as<float>();

    if (rows == 1)
        return parallel_elements(n, 1, [&](std::int64_t begin, std::int64_t end) {
            binary_row(end - begin, op, y0 + begin, a0 + begin * a_step, a_step,
                       b0 + begin * b_step, b_step);
        });
    parallel_for(rows, n, [&](std::int64_t begin, std::int64_t end) {
        StridedCursor<3> at(outer, begin);
        for (std::int64_t row = begin; row < end; ++row, at.next())
            binary_row(n, op, y0 + at[0], a0 + at[1], a_step, b0 + at[2], b_step);
    });
}

}  // namespace

void binary(const Stream&, View y, CView a, CView b, Binary op) {
    if (y.numel() == 0) return;
    switch (op) {
        case Binary::Add: return binary_with([](auto u, auto v) { return u + v; }, y, a, b);
        case Binary::Sub: return binary_with([](auto u, auto v) { return u - v; }, y, a, b);
        case Binary::Mul: return binary_with([](auto u, auto v) { return u * v; }, y, a, b);
        case Binary::Div: return binary_with([](auto u, auto v) { return u / v; }, y, a, b);
    }
}

void axpby(const Stream&, View y, CView x, double alpha, double beta) {
    const float p = static_cast<float>(alpha), q = static_cast<float>(beta);
    parallel_elements(y.numel(), 1, [&](std::int64_t begin, std::int64_t end) {
        float* const out = y.as<float>() + begin;
        const float* const in = x.as<float>() + begin;
        if (beta == 0.0)
            map(
                end - begin, [&](Vec u) { return p * u; }, out, in);
        else
            map(
                end - begin, [&](Vec u, Vec v) { return p * u + q * v; }, out, in, out);
    });
}

}  // namespace fovea::kernels::cpu
