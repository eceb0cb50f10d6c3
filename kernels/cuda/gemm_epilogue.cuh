// What becomes of the tiled matrix product's sums: c (+)= f(alpha sum + bias), rounded and stored; or,
// where k is cut into parts, numbers in the workspace.
#pragma once

#include "kernels/cuda/activation.cuh"
#include "kernels/cuda/gemm.h"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/numbers.cuh"

namespace fovea::kernels::cuda {

/// How the problem is cut up.
struct TilePlan {
    unsigned row_tiles, column_tiles, parts;
    Index k_per_part;
    /// Sums of the parts [parts, B * M, N in whole quads], then their row_sums [parts, M]; nullptr where
    /// there is one part.
    float* partial;
    Index rows, width;
    bool vector_a, vector_b;  ///< may four elements be read at once?
    bool vector_c;

    __device__ float* partial_sum(Index part, Index row, Index column) const {
        return partial + (part * rows + row) * width + column;
    }
    __device__ float* partial_row_sum(Index part, Index row) const {
        return partial_sum(parts, 0, 0) + part * rows + row;
    }
};

/// Some of four elements of type T, as floats; zeros for the others.
template <class T>
__device__ __forceinline__ void load_some(float (&x)[4], const T* p, int count, bool vector) {
    if (vector && count == 4) return load(x, p);
#pragma unroll
    for (int i = 0; i < 4; ++i) x[i] = i < count ? to_float(p[i]) : 0.0F;
}
template <class T>
__device__ __forceinline__ void store_some(T* p, const float (&x)[4], int count, bool vector) {
    if (vector && count == 4) return store(p, x);
#pragma unroll
    for (int i = 0; i < 4; ++i)
        if (i < count) p[i] = from_float<T>(x[i]);
}

/// The sums x of row `row` of c, from `column` on: epilogue, rounding and store.
__device__ __forceinline__ void finish(const GemmProblem& p, float (&x)[4], Index batch, Index row,
                                       Index column, int count, bool vector) {
    const Index at = batch * p.c_batch_stride + row * p.c_row_stride + column;
    float* c = static_cast<float*>(p.c) + at;
    BFloat16* c_low = static_cast<BFloat16*>(p.c) + at;
    float before[4] = {};
    if (p.accumulate) {
        if (p.out == DType::F32)
            load_some(before, c, count, vector);
        else
            load_some(before, c_low, count, vector);
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        x[i] = p.alpha * x[i] + before[i];
        if (p.bias != nullptr && i < count) x[i] += p.bias[column + i];
        if (p.f != Unary::Identity) x[i] = apply(p.f, x[i]);
    }
    if (p.out == DType::F32)
        store_some(c, x, count, vector);
    else
        store_some(c_low, x, count, vector);
}

__device__ __forceinline__ void put_row_sum(const GemmProblem& p, Index row, float sum) {
    p.row_sums[row] = p.accumulate ? p.row_sums[row] + sum : sum;
}

}  // namespace fovea::kernels::cuda
