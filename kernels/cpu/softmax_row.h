// Exponentials of rows relative to their maxima, shared by softmax, cross-entropy and attention.
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

/// An lse of -infinity means that the row attends to nothing; then all exp(s - 0) = 0.
inline float finite_shift(float lse) { return lse == -__builtin_inff() ? 0.0f : lse; }

/// At most kLanes rows of n scores, `stride` apart, become exp(scale s - max); lane i of the results
/// belongs to row i. Only whole vectors are read and written: a masked store would stall the load that
/// follows it.
struct Numerators {
    Vec max, sum;

    Numerators(float* s, std::int64_t stride, std::int64_t rows, std::int64_t n, float scale) {
        const std::int64_t full = n / kLanes * kLanes;
        const int rest = static_cast<int>(n - full);
        const Vec lowest = splat(-__builtin_inff());

        Vec partial[kLanes] = {};
        for (std::int64_t i = 0; i < rows; ++i) {
            const float* const row = s + i * stride;
            Vec m = rest > 0 ? keep_first(scale * load(row + full), rest, lowest) : lowest;
            for (std::int64_t j = 0; j < full; j += kLanes) m = cpu::max(m, scale * load(row + j));
            partial[i] = m;
        }
        max = combine_rows(partial, cpu::max);
        max = max == lowest ? Vec{} : max;

        float shifts[kLanes];
        store(shifts, max);
        for (std::int64_t i = 0; i < rows; ++i) {
            float* const row = s + i * stride;
            const float shift = shifts[i];
            Vec total{};
            for (std::int64_t j = 0; j < full; j += kLanes) {
                const Vec e = exp_flush(scale * load(row + j) - shift);
                store(row + j, e);
                total += e;
            }
            if (rest > 0) {
                const Vec e = exp_flush(scale * load(row + full) - shift);
                store(row + full, e);
                total += keep_first(e, rest, Vec{});
            }
            partial[i] = total;
        }
        sum = combine_rows(partial, add);
    }
};

}  // namespace fovea::kernels::cpu
