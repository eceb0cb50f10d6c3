// Matrix products of a few rows and columns, whose operands sit in the L1 or L2 cache: what attention
// is made of. No packing, no blocking over k; a tile of C lives in registers for the whole sum.
#pragma once

#include <algorithm>
#include <type_traits>

#include "kernels/cpu/simd.h"

namespace fovea::kernels::cpu {

/// A matrix by strides: element (i, j) is data[i * row + j * col].
template <class T>
struct Strided {
    T* data;
    std::int64_t row, col = 1;

    T* at(std::int64_t i, std::int64_t j = 0) const { return data + i * row + j * col; }
};

/// out [columns, stride] = x^T for x [rows, columns], kLanes x kLanes at a time. Rows of out are written
/// in whole vectors: behind the last row of x come zeros.
inline void transpose(float* out, std::int64_t stride, Strided<const float> x, std::int64_t rows,
                      std::int64_t columns) {
    for (std::int64_t j = 0; j < rows; j += kLanes) {
        const std::int64_t some = std::min<std::int64_t>(kLanes, rows - j);
        for (std::int64_t d = 0; d < columns; d += kLanes) {
            const int width = static_cast<int>(std::min<std::int64_t>(kLanes, columns - d));
            Vec block[kLanes] = {};
            for (std::int64_t i = 0; i < some; ++i) block[i] = load_some(x.at(j + i, d), width);
            transpose(block);
            for (std::int64_t i = 0; i < width; ++i) store(out + (d + i) * stride + j, block[i]);
        }
    }
}

// 6 x 4 accumulators, a vector of B for each column and one broadcast fit 32 registers; 6 x 2 fit 16.
inline constexpr int kTileRows = 6;
inline constexpr int kTileVecs = kLanes == 16 ? 4 : 2;

/// What becomes of a product: C = A B, C += A B, or row i of A B times row_scale[i].
struct Epilogue {
    bool accumulate = false;
    const float* row_scale = nullptr;
};

/// One tile: kRows x kVecs vectors of C; the last vector has `last` < kLanes columns if kPart.
template <int kRows, int kVecs, bool kPart>
inline void gemm_tile(Strided<float> c, Strided<const float> a, Strided<const float> b,
                      std::int64_t depth, int last, Epilogue end) {
    const auto read = [&](const float* p, int v) {
        return kPart && v == kVecs - 1 ? load_first(p + v * kLanes, last) : load(p + v * kLanes);
    };
    // Few accumulators: the even and the odd k get sums of their own, to hide the latency of adding.
    constexpr int kChains = kRows * kVecs <= kTileRows ? 2 : 1;
    Vec sums[kRows][kVecs], odd[kRows][kVecs] = {};
    for (int r = 0; r < kRows; ++r)
        for (int v = 0; v < kVecs; ++v) sums[r][v] = end.accumulate ? read(c.at(r), v) : Vec{};
    const auto add_product = [&](std::int64_t k, Vec(&to)[kRows][kVecs]) {
        Vec row[kVecs];
        for (int v = 0; v < kVecs; ++v) row[v] = read(b.at(k), v);
        for (int r = 0; r < kRows; ++r) {
            const Vec x = splat(*a.at(r, k));
            for (int v = 0; v < kVecs; ++v) to[r][v] += x * row[v];
        }
    };
    std::int64_t k = 0;
    if constexpr (kChains == 2) {
        for (; k + 2 <= depth; k += 2) {
            add_product(k, sums);
            add_product(k + 1, odd);
        }
        for (int r = 0; r < kRows; ++r)
            for (int v = 0; v < kVecs; ++v) sums[r][v] += odd[r][v];
    }
    for (; k < depth; ++k) add_product(k, sums);
    if (end.row_scale)
        for (int r = 0; r < kRows; ++r)
            for (int v = 0; v < kVecs; ++v) sums[r][v] *= end.row_scale[r];
    for (int r = 0; r < kRows; ++r)
        for (int v = 0; v < kVecs; ++v) {
            if (kPart && v == kVecs - 1)
                store_first(c.at(r) + v * kLanes, sums[r][v], last);
            else
                store(c.at(r) + v * kLanes, sums[r][v]);
        }
}

/// All rows of kVecs vectors of columns.
template <int kVecs, bool kPart>
inline void gemm_columns(std::int64_t rows, Strided<float> c, Strided<const float> a,
                         Strided<const float> b, std::int64_t depth, int last, Epilogue end) {
    std::int64_t i = 0;
    const auto tile = [&]<int kRows>(std::integral_constant<int, kRows>) {
        gemm_tile<kRows, kVecs, kPart>(
            {c.at(i), c.row}, {a.at(i), a.row, a.col}, b, depth, last,
            {end.accumulate, end.row_scale ? end.row_scale + i : nullptr});
        i += kRows;
    };
    while (i + kTileRows <= rows) tile(std::integral_constant<int, kTileRows>{});
    switch (rows - i) {
        case 5: return tile(std::integral_constant<int, 5>{});
        case 4: return tile(std::integral_constant<int, 4>{});
        case 3: return tile(std::integral_constant<int, 3>{});
        case 2: return tile(std::integral_constant<int, 2>{});
        case 1: return tile(std::integral_constant<int, 1>{});
        default: return;
    }
}

/// C [rows, cols] from A [rows, depth] B [depth, cols]. The columns of B and C are dense, A's any.
inline void small_gemm(std::int64_t rows, std::int64_t cols, std::int64_t depth, Strided<float> c,
                       Strided<const float> a, Strided<const float> b, Epilogue end = {}) {
    std::int64_t j = 0;
    const auto columns = [&]<int kVecs, bool kPart>(std::integral_constant<int, kVecs>,
                                                    std::bool_constant<kPart>) {
        gemm_columns<kVecs, kPart>(rows, {c.at(0, j), c.row}, a, {b.at(0, j), b.row}, depth,
                                   static_cast<int>((cols - j) % kLanes), end);
        j += kVecs * kLanes;
    };
    const auto vectors = [&](auto part, std::int64_t count) {
        switch (count) {
            case 1: return columns(std::integral_constant<int, 1>{}, part);
            case 2: return columns(std::integral_constant<int, 2>{}, part);
            case 3: return columns(std::integral_constant<int, std::min(3, kTileVecs)>{}, part);
            default: return columns(std::integral_constant<int, kTileVecs>{}, part);
        }
    };
    while (j < cols) {
        // Groups of nearly equal width, so that no tile is left with a single vector.
        const std::int64_t left = (cols - j + kLanes - 1) / kLanes;
        const std::int64_t groups = (left + kTileVecs - 1) / kTileVecs;
        const std::int64_t count = (left + groups - 1) / groups;
        if (groups == 1 && (cols - j) % kLanes != 0)
            vectors(std::true_type{}, count);
        else
            vectors(std::false_type{}, count);
    }
}

}  // namespace fovea::kernels::cpu
