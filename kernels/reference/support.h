// Shared by the reference kernels. These are plain sequential loops in float or double, with sums
// in double for both, so that the float form differs from the exact result by its storage only.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include "kernels/include/kernel.h"

namespace fovea::kernels::reference {

using Index = std::int64_t;
using Buffer = std::vector<double>;

/// Calls f(std::type_identity<T>{}) with the T = float or double that the dtype says.
template <class F>
void with_float(DType dtype, F f) {
    switch (dtype) {
        case DType::F32: return f(std::type_identity<float>{});
        case DType::F64: return f(std::type_identity<double>{});
        default:
            throw std::runtime_error(
                std::string("the reference device computes in F32 or F64, not ") + name_of(dtype));
    }
}

/// y = value or y += value; never called with GradMode::Ignore.
template <class T>
void store(T& y, double value, GradMode mode) {
    y = static_cast<T>(mode == GradMode::Accumulate ? static_cast<double>(y) + value : value);
}

/// sum[i] += factor * row[i].
template <class T>
void add_scaled(double* sum, const T* row, double factor, Index n) {
    for (Index i = 0; i < n; ++i) sum[i] += factor * static_cast<double>(row[i]);
}

/// Does the caller want this gradient?
inline bool wanted(const View& gradient, GradMode mode) {
    return gradient && mode != GradMode::Ignore;
}

/// Number of rows of a [..., C] view.
inline Index rows_of(const CView& x) {
    Index rows = 1;
    for (int axis = 0; axis + 1 < x.rank(); ++axis) rows *= x.dim(axis);
    return rows;
}

/// What a softmax subtracts before exp: the largest element, or 0 where all are -inf.
template <class T>
double exponent_shift(const T* x, Index n) {
    constexpr double lowest = -std::numeric_limits<double>::infinity();
    double largest = lowest;
    for (Index i = 0; i < n; ++i) largest = std::max(largest, static_cast<double>(x[i]));
    return largest == lowest ? 0.0 : largest;
}

/// Visits the elements of `shape` in row-major order: f(offset, step, n) is called for every row
/// (a run of n along the last axis) with the offset and the step in it of each of K operands.
template <std::size_t K, class F>
void for_each_row(const Shape& shape, const std::array<Shape, K>& strides, F f) {
    if (shape.numel() == 0) return;
    std::array<Index, K> offset{}, step{};
    const int last = shape.rank - 1;
    const Index n = last < 0 ? 1 : shape.dims[last];
    if (last >= 0)
        for (std::size_t k = 0; k < K; ++k) step[k] = strides[k].dims[last];

    Index index[kMaxRank] = {};
    for (Index row = shape.numel() / n; row > 0; --row) {
        f(offset, step, n);
        for (int axis = last - 1; axis >= 0; --axis) {  // count up, as a mileage counter does
            for (std::size_t k = 0; k < K; ++k) offset[k] += strides[k].dims[axis];
            if (++index[axis] < shape.dims[axis]) break;
            for (std::size_t k = 0; k < K; ++k)
                offset[k] -= strides[k].dims[axis] * shape.dims[axis];
            index[axis] = 0;
        }
    }
}

}  // namespace fovea::kernels::reference
