// Chunks of 8 numbers of 4 bytes (F32 parameters, I32 indices) beside 16-byte chunks of 8 BF16.
//
// Such a chunk is two requests of 16 bytes. If a lane made both for its own chunk, each would touch the
// 32-byte sectors of all lanes and use half of every one. So an even lane and its odd neighbour, whose
// chunks are neighbours too, go for whole sectors together and exchange what is not their own:
//
//     quad (4 numbers)     0    1  |  2    3     0 and 1: the even lane's chunk, 2 and 3: the odd one's
//     first request      even  odd |
//     second request               | odd  even   a lane asks for the first quad of its own chunk and the
//                                                second of the other's, which a shuffle a number swaps
//
// All lanes of a warp call these functions together; where t is odd, thread t has the chunk behind that
// of thread t - 1. A chunk at or behind `end` is no chunk: it is neither read nor written.
#pragma once

#include "kernels/cuda/chunk.cuh"
#include "kernels/cuda/global_store.cuh"
#include "kernels/cuda/reduce.cuh"

namespace fovea::kernels::cuda {

/// Is a chunk of V numbers N two requests?
template <int V, class N>
inline constexpr bool kInPairs = V * sizeof(N) > 16;

/// This lane's two quads of the 16 numbers that are its own and its neighbour's.
template <class Offset>
struct QuadPair {
    bool odd;
    Offset at[2];    ///< of the quads of the first and of the second request
    bool inside[2];  ///< do they belong to chunks that exist?

    __device__ __forceinline__ QuadPair(Offset chunk, Offset end) : odd(threadIdx.x % 2 != 0) {
        const Offset even_chunk = odd ? chunk - 8 : chunk, odd_chunk = even_chunk + 8;
        at[0] = odd ? even_chunk + 4 : even_chunk;
        at[1] = odd ? odd_chunk : odd_chunk + 4;
        inside[0] = even_chunk < end;
        inside[1] = odd_chunk < end;
    }
};

/// x = p[at], ..., p[at + V - 1]; zeros where there is no chunk.
template <int V, class N, class Offset>
__device__ __forceinline__ void load_together(float (&x)[V], const N* p, Offset at, Offset end) {
    if constexpr (kInPairs<V, N>) {
        static_assert(V == 8 && sizeof(N) == 4);
        const QuadPair<Offset> pair(at, end);
        float first[4] = {}, second[4] = {};
        if (pair.inside[0]) load<4>(first, p + pair.at[0]);
        if (pair.inside[1]) load<4>(second, p + pair.at[1]);
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            x[i] = pair.odd ? second[i] : first[i];
            x[4 + i] = __shfl_xor_sync(kAllLanes, pair.odd ? first[i] : second[i], 1);
        }
    } else {
#pragma unroll
        for (float& e : x) e = 0.0f;
        if (at < end) load_chunk<V>(x, p + at);
    }
}

/// The same, or V times `otherwise` where p is null.
template <int V, class Offset>
__device__ __forceinline__ void load_together_or(float (&x)[V], const float* p, Offset at,
                                                 Offset end, float otherwise) {
    if (p != nullptr) return load_together<V>(x, p, at, end);
#pragma unroll
    for (float& e : x) e = otherwise;
}

/// p[at], ..., p[at + V - 1] = x.
template <int V, class N, class Offset>
__device__ __forceinline__ void store_together(N* p, Offset at, Offset end, const float (&x)[V]) {
    if constexpr (kInPairs<V, N>) {
        static_assert(V == 8 && sizeof(N) == 4);
        const QuadPair<Offset> pair(at, end);
        float first[4], second[4];
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            const float others = __shfl_xor_sync(kAllLanes, x[4 + i], 1);
            first[i] = pair.odd ? others : x[i];
            second[i] = pair.odd ? x[i] : others;
        }
        if (pair.inside[0]) store_whole_chunk<4>(p + pair.at[0], first);
        if (pair.inside[1]) store_whole_chunk<4>(p + pair.at[1], second);
    } else if (at < end) {
        store_chunk<V>(p + at, x);
    }
}

}  // namespace fovea::kernels::cuda
