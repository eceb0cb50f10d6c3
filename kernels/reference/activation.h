// The unary functions and their derivatives in double; also the epilogue of linear_forward.
#pragma once

#include <cmath>
#include <numbers>

#include "kernels/include/elementwise.h"

namespace fovea::kernels::reference {

inline double sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }

/// Argument of the tanh in GELU's approximation, and its derivative.
inline double gelu_inner(double x) {
    return std::sqrt(2.0 / std::numbers::pi) * (x + 0.044715 * x * x * x);
}
inline double gelu_inner_slope(double x) {
    return std::sqrt(2.0 / std::numbers::pi) * (1.0 + 3.0 * 0.044715 * x * x);
}

/// Standard normal distribution function; erfc keeps the digits of the left tail.
inline double normal_cdf(double x) { return 0.5 * std::erfc(-x / std::numbers::sqrt2); }
inline double normal_density(double x) {
    return std::exp(-0.5 * x * x) * std::numbers::inv_sqrtpi / std::numbers::sqrt2;
}

/// f(x). NaN stays NaN.
inline double apply(Unary f, double x) {
    switch (f) {
        case Unary::Identity: return x;
        case Unary::Relu: return x < 0.0 ? 0.0 : x;
        case Unary::GeluErf: return x * normal_cdf(x);
        case Unary::GeluTanh: return 0.5 * x * (1.0 + std::tanh(gelu_inner(x)));
        case Unary::QuickGelu: return x * sigmoid(1.702 * x);
        case Unary::Silu: return x * sigmoid(x);
        case Unary::Sigmoid: return sigmoid(x);
        case Unary::Tanh: return std::tanh(x);
        case Unary::Exp: return std::exp(x);
        case Unary::Log: return std::log(x);
        case Unary::Sqrt: return std::sqrt(x);
        case Unary::Square: return x * x;
    }
    return x;
}

/// f'(x); 0 at the kink of Relu.
inline double slope(Unary f, double x) {
    switch (f) {
        case Unary::Identity: return 1.0;
        case Unary::Relu: return x <= 0.0 ? 0.0 : 1.0;
        case Unary::GeluErf: return normal_cdf(x) + x * normal_density(x);
        case Unary::GeluTanh: {
            const double t = std::tanh(gelu_inner(x));
            return 0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * gelu_inner_slope(x);
        }
        case Unary::QuickGelu: {
            const double s = sigmoid(1.702 * x);
            return s + 1.702 * x * s * (1.0 - s);
        }
        case Unary::Silu: {
            const double s = sigmoid(x);
            return s + x * s * (1.0 - s);
        }
        case Unary::Sigmoid: {
            const double s = sigmoid(x);
            return s * (1.0 - s);
        }
        case Unary::Tanh: {
            const double t = std::tanh(x);
            return 1.0 - t * t;
        }
        case Unary::Exp: return std::exp(x);
        case Unary::Log: return 1.0 / x;
        case Unary::Sqrt: return 0.5 / std::sqrt(x);
        case Unary::Square: return 2.0 * x;
    }
    return 1.0;
}

}  // namespace fovea::kernels::reference
