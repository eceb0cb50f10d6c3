// Sums down the columns of [rows, cols] matrices: bias gradients, BatchNorm, means over tokens.
#pragma once

#include <algorithm>

#include "kernels/cpu/simd.h"
#include "kernels/include/kernel.h"

namespace fovea::kernels::cpu {

/// sums[c] += x[c].
inline void add_row(float* sums, const float* x, std::int64_t cols) {
    map(
        cols, [](Vec a, Vec b) { return a + b; }, sums, sums, x);
}

/// sums[c] += x[r * stride + c] over the rows. Four rows at a time: the sums, which live in the L1
/// cache, are read and written once for them.
inline void add_rows(float* sums, const float* x, std::int64_t rows, std::int64_t cols,
                     std::int64_t stride) {
    std::int64_t r = 0;
    for (; r + 4 <= rows; r += 4) {
        const float* const row = x + r * stride;
        map(
            cols, [](Vec s, Vec a, Vec b, Vec c, Vec d) { return s + ((a + b) + (c + d)); }, sums,
            sums, row, row + stride, row + 2 * stride, row + 3 * stride);
    }
    for (; r < rows; ++r) add_row(sums, x + r * stride, cols);
}

/// out (+)= sums, by mode (not Ignore).
inline void write_gradient(float* out, const float* sums, std::int64_t n, GradMode mode) {
    if (mode == GradMode::Accumulate)
        add_row(out, sums, n);
    else
        std::copy(sums, sums + n, out);
}

}  // namespace fovea::kernels::cpu
