// Exponentials of one row relative to its maximum, shared by softmax, cross-entropy and attention.
#pragma once

#include "kernels/cpu/simd_math.h"

namespace fovea::kernels::cpu {

/// Maximum of n floats in every lane; 0 for a row of -infinity only, so that exp(x - max) is 0 there
/// instead of NaN. (A NaN in the row may not show here; it will in the sum.)
inline Vec row_max(const float* x, std::int64_t n) {
    const Vec lowest = splat(-__builtin_inff());
    const Vec largest = max_of_lanes(fold(n, lowest, max, x));
    return largest == lowest ? Vec{} : largest;
}

/// Sum of exp(x - shift) in every lane.
inline Vec sum_exp(const float* x, std::int64_t n, Vec shift) {
    return sum_of_lanes(fold(
        n, Vec{}, [&](Vec s, Vec v) { return s + exp_flush(v - shift); }, x));
}

/// y = exp(x - shift); returns the sum in every lane. y may be x.
inline Vec exp_row(float* y, const float* x, std::int64_t n, Vec shift) {
    Vec sum{};
    std::int64_t i = 0;
    for (; i + kLanes <= n; i += kLanes) {
        const Vec e = exp_flush(load(x + i) - shift);
        store(y + i, e);
        sum += e;
    }
    const int rest = static_cast<int>(n - i);
    if (rest > 0) {
        const Vec e = exp_flush(load_first(x + i, rest) - shift);
        store_first(y + i, e, rest);
        sum += keep_first(e, rest, Vec{});
    }
    return sum_of_lanes(sum);
}

/// 1 / sum, and 0 for the empty sum.
inline Vec inverse_or_zero(Vec sum) { return sum == 0.0f ? Vec{} : 1.0f / sum; }

}  // namespace fovea::kernels::cpu
