// The walk of an optimizer over the flat arena: one launch for all parameters.
//
// A block takes a chunk of 4096 elements and finds the segment that the chunk begins in with one look
// at the whole table by all its threads; from there each thread walks on. Segments lie in ascending
// order and begin at multiples of 16 elements (ParamStore), so 4 elements never straddle the begin of
// one; at its end they may, and are then taken singly. What lies in no segment, or in a frozen one, is
// neither read nor written.
#pragma once

#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/numbers.cuh"
#include "kernels/include/optimizer.h"

namespace fovea::kernels::cuda {

inline constexpr int kArenaThreads = 256, kArenaSteps = 4;
inline constexpr Index kArenaChunk = kArenaThreads * kArenaSteps * 4;

/// Up to 4 neighbouring elements of the arena.
struct Four {
    Index first;
    int count;
    bool whole;  ///< all 4, and 16-byte access is possible

    __device__ __forceinline__ void read(float (&x)[4], const float* array) const {
        if (whole) return load<4>(x, array + first);
#pragma unroll
        for (int e = 0; e < 4; ++e) x[e] = e < count ? array[first + e] : 0.0F;
    }
    __device__ __forceinline__ void write(float* array, const float (&x)[4]) const {
        if (whole) return store<4>(array + first, x);
#pragma unroll
        for (int e = 0; e < 4; ++e)
            if (e < count) array[first + e] = x[e];
    }
    /// The same, rounded, into the arena's low copy if there is one. It is as aligned as the rest.
    __device__ __forceinline__ void write_low(BFloat16* low, const float (&x)[4]) const {
        if (low == nullptr) return;
        if (whole) return store<4>(low + first, x);
#pragma unroll
        for (int e = 0; e < 4; ++e)
            if (e < count) low[first + e] = from_float<BFloat16>(x[e]);
    }
};

/// step.rates(segment): what the step needs of a segment. step(four, rates): the update.
template <class Step>
__global__ void __launch_bounds__(kArenaThreads)
    arena_kernel(Index n, Segments segments, bool aligned, const __grid_constant__ Step step) {
    const Index begin = blockIdx.x * kArenaChunk;
    Index current = -1;  // the last segment that begins at or before the chunk
    for (Index s = threadIdx.x;; s += kArenaThreads) {
        const bool before = s < segments.count && segments.data[s].offset <= begin;
        const int found = __syncthreads_count(before);
        current += found;
        if (found < kArenaThreads) break;
    }

    Index end = 0, next = 0;  // of the current segment, if it trains; where the next one begins
    typename Step::Rates rates{};
    const auto enter = [&] {
        end = 0;
        if (current >= 0 && !segments.data[current].frozen) {
            const Segment segment = segments.data[current];
            end = segment.offset + segment.size;
            rates = step.rates(segment);
        }
        next = current + 1 < segments.count ? segments.data[current + 1].offset : n;
    };
    enter();
#pragma unroll
    for (int k = 0; k < kArenaSteps; ++k) {
        const Index i = begin + (k * kArenaThreads + static_cast<int>(threadIdx.x)) * 4;
        if (i >= n) break;
        while (i >= next) {
            ++current;
            enter();
        }
        if (i >= end) continue;
        const int count = static_cast<int>(min(end - i, Index{4}));
        step(Four{i, count, aligned && count == 4}, rates);
    }
}

/// n: elements of the arena. aligned: all of the step's arrays are, to 16 bytes.
template <class Step>
void walk_arena(const Stream& stream, Index n, const Segments& segments, bool aligned,
                const Step& step) {
    if (segments.count == 0) return;
    launch(stream, {static_cast<unsigned>(ceil_div(n, kArenaChunk)), kArenaThreads},
           arena_kernel<Step>, n, segments, aligned, step);
}

}  // namespace fovea::kernels::cuda
