// Exponential, logarithm and what activations are made of, on Vec: no branches, no tables, errors of
// a few units in the last place. NaN in gives NaN out. The polynomials are minimax fits (Remez).
#pragma once

#include "kernels/cpu/simd.h"

namespace fovea::kernels::cpu {

inline constexpr float kRoundingShift = 0x1.8p23f;

/// x = n ln 2 + r with |r| <= ln 2 / 2, so exp(x) = 2^n exp(r).
struct ExpParts {
    Vec shifted;   ///< n + 1.5 * 2^23, a number whose low bits are n
    Vec mantissa;  ///< exp(r), in [0.707, 1.415]
};

inline ExpParts split_exp(Vec x) {
    const Vec shifted = x * 0x1.715476p0f + kRoundingShift;  // rounds to an integer
    const Vec n = shifted - kRoundingShift;
    Vec r = x - n * 0x1.63p-1f;  // ln 2 in two parts; n times the first is exact
    r = r + n * 2.12194440054690e-4f;
    Vec p = splat(1.381460090e-3f);  // (exp(r) - 1 - r) / r^2
    p = p * r + 8.368716811e-3f;
    p = p * r + 4.166838800e-2f;
    p = p * r + 1.666652063e-1f;
    p = p * r + 4.999999345e-1f;
    return {shifted, (p * r) * r + r + 1.0f};
}

/// exp(x) for x < 88 (softmax: x <= 0). Results below the smallest normal number are 0.
inline Vec exp_flush(Vec x) {
    const ExpParts e = split_exp(x);
    const BitsVec power = (std::bit_cast<BitsVec>(e.shifted) << 23) + 0x3F800000u;  // 2^n
    return x < -87.33654f ? Vec{} : e.mantissa * std::bit_cast<Vec>(power);
}

/// exp(x) for every x, with subnormals and overflow to infinity.
inline Vec exp(Vec x) {
    x = x < -104.0f ? splat(-104.0f) : x;
    x = x > 89.0f ? splat(89.0f) : x;
    const ExpParts e = split_exp(x);
    // 2^n in two steps, each of which a float can hold.
    const IntVec n =
        std::bit_cast<IntVec>(e.shifted) - std::bit_cast<IntVec>(splat(kRoundingShift));
    const IntVec half = n >> 1, rest = n - half;
    const auto power_of_two = [](IntVec k) {
        return std::bit_cast<Vec>(std::bit_cast<BitsVec>(k + 127) << 23);
    };
    return e.mantissa * power_of_two(half) * power_of_two(rest);
}

/// Natural logarithm: -infinity at 0, NaN below.
inline Vec log(Vec x) {
    const IntVec tiny = x < 0x1p-126f;  // subnormals are scaled up first
    const Vec scaled = tiny ? x * 0x1p24f : x;
    // x = 2^n m with m in [sqrt(1/2), sqrt(2)): take off the exponent relative to sqrt(1/2).
    const BitsVec bits = std::bit_cast<BitsVec>(scaled);
    const IntVec n = std::bit_cast<IntVec>(bits - 0x3F3504F3u) >> 23;
    const Vec f = std::bit_cast<Vec>(bits - (std::bit_cast<BitsVec>(n) << 23)) - 1.0f;
    Vec p = splat(-7.636048077e-2f);  // (log(1 + f) - f + f^2 / 2) / f^3
    p = p * f + 1.276347010e-1f;
    p = p * f - 1.316050959e-1f;
    p = p * f + 1.420152936e-1f;
    p = p * f - 1.662330286e-1f;
    p = p * f + 2.000123451e-1f;
    p = p * f - 2.500082262e-1f;
    p = p * f + 3.333333164e-1f;
    const Vec exponent = __builtin_convertvector(n, Vec) - (tiny ? splat(24.0f) : Vec{});
    const Vec square = f * f;
    Vec y = p * square * f - exponent * 2.12194440054690e-4f;
    y = y - 0.5f * square + f + exponent * 0x1.63p-1f;
    const Vec infinity = splat(__builtin_inff());
    y = x == 0.0f ? -infinity : y;
    y = x < infinity ? y : x;  // infinity and NaN
    return x < 0.0f ? splat(__builtin_nanf("")) : y;
}

/// 1 / (1 + exp(-x)).
inline Vec sigmoid(Vec x) {
    const Vec e = exp_flush(-abs(x));
    return (x < 0.0f ? e : splat(1.0f)) / (1.0f + e);
}

inline Vec tanh(Vec x) {
    const Vec a = abs(x);
    const Vec z = x * x;
    Vec p = splat(-5.604363880e-3f);  // (tanh(x) - x) / x^3, |x| < 0.625
    p = p * z + 2.055219610e-2f;
    p = p * z - 5.371428517e-2f;
    p = p * z + 1.333115551e-1f;
    p = p * z - 3.333327222e-1f;
    const Vec near = x + x * z * p;
    const Vec e = exp_flush(-2.0f * a);
    const Vec far = (1.0f - e) / (1.0f + e);
    return a < 0.625f ? near : (x < 0.0f ? -far : far);
}

/// Standard normal distribution: cdf(x) = (1 + erf(x / sqrt 2)) / 2 and density(x).
struct Normal {
    Vec cdf, density;
};

/// Through the tail q(a) = cdf(-a) = exp(-a^2 / 2) t P(t), t = 1 / (1 + 0.35 a), a = |x|: the far
/// negative side keeps its relative precision, which 1 + erf loses.
inline Normal normal(Vec x) {
    const Vec a = abs(x);
    const Vec e = exp_flush(-0.5f * x * x);
    const Vec t = 1.0f / (1.0f + 0.35f * a);
    Vec p = splat(-2.914591692e-2f);
    p = p * t + 1.439716328e-1f;
    p = p * t - 2.557141209e-1f;
    p = p * t + 1.591740097e-1f;
    p = p * t - 2.310973335e-2f;
    p = p * t + 1.055079621e-1f;
    p = p * t + 1.198328779e-1f;
    p = p * t + 1.398618683e-1f;
    p = p * t + 1.396214044e-1f;
    const Vec tail = e * t * p;
    return {x < 0.0f ? tail : 1.0f - tail, e * 0.3989422804f};
}

}  // namespace fovea::kernels::cpu
