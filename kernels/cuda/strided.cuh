// Loops over several strided views of one shape at once, for the device: item number i of a loop
// becomes an offset into each view.
#pragma once

#include "kernels/cpu/strided.h"
#include "kernels/cuda/launch.cuh"

namespace fovea::kernels::cuda {

using cpu::StridedLoop;

/// Division of numbers below 2^31 by one that is fixed for a launch, as a multiplication and a shift
/// (Granlund and Montgomery, "Division by invariant integers using multiplication", PLDI 1994).
struct Divider {
    std::uint32_t divisor = 1, multiplier = 1U << 31, shift = 0;

    Divider() = default;
    /// 1 <= d < 2^31
    explicit Divider(Index d) : divisor(static_cast<std::uint32_t>(d)) {
        while ((std::uint64_t{1} << shift) < divisor) ++shift;
        multiplier = static_cast<std::uint32_t>(((std::uint64_t{1} << (31 + shift)) + divisor - 1) /
                                                divisor);
    }
    __device__ __forceinline__ std::uint32_t quotient(std::uint32_t n) const {
        return __umulhi(2 * n, multiplier) >> shift;
    }
};

/// Most items of a loop that one launch handles.
inline constexpr Index kMostItems = Index{1} << 30;

/// A StridedLoop of at most kMostItems items as the device walks it. Axis 0 is the innermost one.
template <int N>
struct Walk {
    int rank = 0;
    Divider extent[kMaxRank];
    Index stride[N][kMaxRank] = {};

    explicit Walk(const StridedLoop<N>& loop) : rank(loop.shape.rank) {
        for (int axis = 0; axis < rank; ++axis) {
            extent[axis] = Divider(loop.shape[rank - 1 - axis]);
            for (int v = 0; v < N; ++v) stride[v][axis] = loop.strides[v][rank - 1 - axis];
        }
    }

    /// at[v] += offset of item i in view v.
    __device__ __forceinline__ void add_offsets(std::uint32_t i, Index (&at)[N]) const {
#pragma unroll
        for (int axis = 0; axis < kMaxRank; ++axis) {
            if (axis >= rank) break;
            const std::uint32_t next = axis + 1 == rank ? 0 : extent[axis].quotient(i);
            const std::uint32_t index = i - next * extent[axis].divisor;
#pragma unroll
            for (int v = 0; v < N; ++v) at[v] += index * stride[v][axis];
            i = next;
        }
    }
};

template <int N>
struct Offsets {
    Index at[N] = {};
};

/// Calls f(piece, offsets of its first item in the views) for pieces of at most `most` items that cover
/// the loop; one piece, unless the tensors are enormous.
template <int N, class F>
void for_each_piece(const StridedLoop<N>& loop, const F& f, Index most = kMostItems,
                    const Offsets<N>& start = {}) {
    if (loop.shape.numel() <= most) return f(loop, start);
    int axis = 0;
    while (loop.shape[axis] == 1) ++axis;
    StridedLoop<N> first = loop, second = loop;
    first.shape[axis] = loop.shape[axis] / 2;
    second.shape[axis] = loop.shape[axis] - first.shape[axis];
    Offsets<N> middle = start;
    for (int v = 0; v < N; ++v) middle.at[v] += first.shape[axis] * loop.strides[v][axis];
    for_each_piece(first, f, most, start);
    for_each_piece(second, f, most, middle);
}

}  // namespace fovea::kernels::cuda
