// One stage of reduce_sum: y[o] (+)= scale * sum over t of x[kept(o) + summed(t)].
//
// Where there are few outputs and many terms, the terms are cut into parts that blocks of their own
// sum into a workspace [parts, outputs], and a second stage sums those in order. What is summed in
// which order depends on shapes and on V alone.
#pragma once

#include "kernels/cuda/chunk.cuh"
#include "kernels/cuda/strided.cuh"
#include "kernels/cuda/workspace.h"

namespace fovea::kernels::cuda {

template <class T, class Y>
struct SumStage {
    Y* y = nullptr;
    const T* x = nullptr;
    StridedLoop<2> kept = {};    ///< strides of y, x
    StridedLoop<1> summed = {};  ///< strides of x; at least one axis
    float scale = 1.0F;
    bool accumulate = false;
};

/// Threads of a block, and the blocks that keep a large device busy.
inline constexpr int kSumThreads = 256;
inline constexpr Index kFullGrid = 132 * 8;

/// How the terms of a stage are cut.
struct Parts {
    Index count = 1;
    Index size = 0;  ///< terms of a part, in the kernel's own unit

    /// `blocks` would run without cutting; a part has at least `least` of the `total` terms.
    Parts(Index blocks, Index total, Index least) : size(total) {
        if (2 * blocks > kFullGrid || total <= least) return;
        size = ceil_div(total, std::min(kFullGrid / blocks, total / least));
        count = ceil_div(total, size);
    }
};

template <class Y>
__device__ __forceinline__ void write_sum(Y* y, float sum, float scale, bool accumulate) {
    *y = from_float<Y>(accumulate ? to_float(*y) + scale * sum : scale * sum);
}

/// 2^k >= n, n >= 1.
constexpr int power_of_two_from(Index n) {
    int power = 1;
    while (power < n) power *= 2;
    return power;
}

/// Calls f(std::integral_constant<int, V>{}): V elements of every row of x can be read as one chunk.
/// The last axis of `rows` is dense; the other axes, and those of `beside`, start rows.
template <class T, class F, int N, int M>
void with_sum_chunk(const T* x, const StridedLoop<N>& rows, const StridedLoop<M>& beside, F f) {
    bool fits = aligned16(x) && rows.strides[N - 1][-1] == 1 && rows.shape[-1] % kLanes<T> == 0;
    for (int axis = 0; axis + 1 < rows.shape.rank; ++axis)
        fits &= rows.strides[N - 1][axis] % kLanes<T> == 0;
    for (int axis = 0; axis < beside.shape.rank; ++axis)
        fits &= beside.strides[M - 1][axis] % kLanes<T> == 0;
    with_chunk<T>(fits, f);
}

/// Any stage. Instantiated for T in {float, BFloat16} and Y in {float, BFloat16}.
template <class T, class Y>
void sum_stage(const Stream& stream, const SumStage<T, Y>& stage);

/// The last kept axis lies dense in x: sums of columns.
template <class T, class Y>
void sum_columns(const Stream& stream, const SumStage<T, Y>& stage);

/// Any other stage; fast where the last summed axis lies dense in x: sums of rows.
template <class T, class Y>
void sum_rows(const Stream& stream, const SumStage<T, Y>& stage);

/// The stage in parts: sum_parts(partial sums' y, kept with strides of partial sums) does the first
/// step, this function the rest.
template <class T, class Y, class F>
void sum_in_parts(const Stream& stream, const SumStage<T, Y>& stage, Index parts, F sum_parts) {
    const Index outputs = stage.kept.shape.numel();
    const Shape dense = contiguous_strides(stage.kept.shape);
    SumStage<T, float> first{nullptr, stage.x, stage.kept, stage.summed};
    first.y = workspace<float>(stream, static_cast<std::size_t>(parts * outputs));
    first.kept.strides[0] = dense;
    sum_parts(first);
    SumStage<float, Y> second{stage.y, first.y, stage.kept, {}, stage.scale, stage.accumulate};
    second.kept.strides[1] = dense;
    second.kept = second.kept.merged();
    second.summed.push(parts, {outputs});
    sum_stage(stream, second);
}

}  // namespace fovea::kernels::cuda
