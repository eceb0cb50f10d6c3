// Sums and maxima over a warp and over a block, always in the same order: no atomics, so two runs give
// the same bits.
#pragma once

#include <cuda_runtime.h>

namespace fovea::kernels::cuda {

inline constexpr int kWarp = 32;
inline constexpr unsigned kAllLanes = 0xFFFFFFFFU;

struct Plus {
    template <class T>
    __device__ __forceinline__ T operator()(T a, T b) const {
        return a + b;
    }
};
struct Larger {
    __device__ __forceinline__ float operator()(float a, float b) const { return fmaxf(a, b); }
};

/// The combination of the values of `Width` neighbouring lanes (a power of two), in all of them.
template <int Width = kWarp, class T, class Op = Plus>
__device__ __forceinline__ T warp_reduce(T x, Op op = {}) {
#pragma unroll
    for (int offset = Width / 2; offset > 0; offset /= 2)
        x = op(x, __shfl_xor_sync(kAllLanes, x, offset));
    return x;
}

/// The combination of all threads' values, in all threads. `scratch`: shared memory, one T a warp; the
/// caller may use it again after the next barrier. Every thread of the block takes part.
template <int Threads, class T, class Op = Plus>
__device__ __forceinline__ T block_reduce(T x, T* scratch, Op op = {}) {
    static_assert(Threads % kWarp == 0 && Threads <= kWarp * kWarp);
    x = warp_reduce(x, op);
    if constexpr (Threads == kWarp) return x;
    const int warp = static_cast<int>(threadIdx.x) / kWarp;
    if (threadIdx.x % kWarp == 0) scratch[warp] = x;
    __syncthreads();
    T total = scratch[0];
#pragma unroll
    for (int w = 1; w < Threads / kWarp; ++w) total = op(total, scratch[w]);
    return total;
}

}  // namespace fovea::kernels::cuda
