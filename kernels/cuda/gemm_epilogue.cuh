// What becomes of the tiled matrix product's sums: c (+)= f(alpha sum + bias), or alpha sum * f'(pre),
// rounded and stored.
#pragma once

#include "kernels/cuda/activation_slope.cuh"
#include "kernels/cuda/gemm.h"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/numbers.cuh"

namespace fovea::kernels::cuda {

/// Some of four elements of type T, as floats; zeros for the others.
template <class T>
__device__ __forceinline__ void load_some(float (&x)[4], const T* p, int count, bool vector) {
    if (vector && count == 4) return load(x, p);
#pragma unroll
    for (int i = 0; i < 4; ++i) x[i] = i < count ? to_float(p[i]) : 0.0F;
}
/// May four elements at p be read at once?
template <class T>
__device__ __forceinline__ bool is_quad(const T* p) {
    return reinterpret_cast<std::uintptr_t>(p) % (4 * sizeof(T)) == 0;
}

template <class T>
__device__ __forceinline__ void store_some(T* p, const float (&x)[4], int count, bool vector) {
    if (vector && count == 4) return store(p, x);
#pragma unroll
    for (int i = 0; i < 4; ++i)
        if (i < count) p[i] = from_float<T>(x[i]);
}

/// Some of four elements of a matrix of type `dtype`, from its element `at` on.
__device__ __forceinline__ void load_matrix(float (&x)[4], const void* matrix, Index at,
                                            DType dtype, int count) {
    if (dtype == DType::F32) {
        const float* p = static_cast<const float*>(matrix) + at;
        load_some(x, p, count, is_quad(p));
    } else {
        const BFloat16* p = static_cast<const BFloat16*>(matrix) + at;
        load_some(x, p, count, is_quad(p));
    }
}

/// The sums x of row `row` of c, from `column` on: epilogue, rounding and store. `vector`: may four
/// elements of c be written at once?
__device__ __forceinline__ void finish(const GemmProblem& p, float (&x)[4], Index batch, Index row,
                                       Index column, int count, bool vector) {
    const Index at = batch * p.c_batch_stride + row * p.c_row_stride + column;
#pragma unroll
    for (float& e : x) e *= p.alpha;
    if (p.pre != nullptr) {
        float pre[4];
        load_matrix(pre, p.pre, at, p.out, count);
#pragma unroll
        for (int i = 0; i < 4; ++i) x[i] *= slope(p.f, pre[i]);
    }
    if (p.accumulate) {
        float before[4];
        load_matrix(before, p.c, at, p.out, count);
#pragma unroll
        for (int i = 0; i < 4; ++i) x[i] += before[i];
    }
    if (p.bias != nullptr) {
        float bias[4];
        load_some(bias, p.bias + column, count, is_quad(p.bias + column));
#pragma unroll
        for (int i = 0; i < 4; ++i) x[i] += bias[i];
    }
    if (p.f != Unary::Identity && p.pre == nullptr) {
#pragma unroll
        for (float& e : x) e = apply(p.f, e);
    }
    if (p.out == DType::F32)
        store_some(static_cast<float*>(p.c) + at, x, count, vector);
    else
        store_some(static_cast<BFloat16*>(p.c) + at, x, count, vector);
}

__device__ __forceinline__ void put_row_sum(const GemmProblem& p, Index row, float sum) {
    p.row_sums[row] = p.accumulate ? p.row_sums[row] + sum : sum;
}

}  // namespace fovea::kernels::cuda
