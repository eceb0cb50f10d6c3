// y[i] = f(x[i]...) on dense arrays of one length: the loop of every elementwise kernel whose operands
// all lie dense. y may be one of the x.
//
// A thread computes a chunk of V neighbouring elements (chunk.cuh), 16 bytes of the widest operand, and
// has two chunks of every operand in flight, which hides the memory's latency also where f needs many
// registers. Every operand is read once and y written once.
#pragma once

#include <utility>

#include "kernels/cuda/chunk.cuh"

namespace fovea::kernels::cuda {

inline constexpr int kMapThreads = 256, kMapChunks = 2;

template <int V, class F, class Y, class... X>
__global__ void __launch_bounds__(kMapThreads) map_kernel(Index n, F f, Y* y, const X*... x) {
    constexpr auto operands = std::index_sequence_for<X...>{};
    const Index chunks = n / V, step = static_cast<Index>(gridDim.x) * kMapThreads;
    const Index thread = static_cast<Index>(blockIdx.x) * kMapThreads + threadIdx.x;
    const auto value = [&]<std::size_t... I>(const auto& in, int e, std::index_sequence<I...>) {
        return f(in[I][e]...);
    };
    for (Index i = thread; i < chunks; i += kMapChunks * step) {
        float in[kMapChunks][sizeof...(X)][V];
#pragma unroll
        for (int c = 0; c < kMapChunks; ++c) {
            const Index at = i + c * step;
            int k = 0;
            if (at < chunks) (load_chunk<V>(in[c][k++], x + at * V), ...);
        }
#pragma unroll
        for (int c = 0; c < kMapChunks; ++c) {
            const Index at = i + c * step;
            if (at >= chunks) continue;
            float out[V];
#pragma unroll
            for (int e = 0; e < V; ++e) out[e] = value(in[c], e, operands);
            store_chunk<V>(y + at * V, out);
        }
    }
    const Index rest = chunks * V + thread;
    if (V > 1 && rest < n) y[rest] = from_float<Y>(f(to_float(x[rest])...));
}

/// V elements a chunk. The pointers must be aligned to it; 1 goes with any.
template <int V, class F, class Y, class... X>
void map_chunks(const Stream& stream, Index n, F f, Y* y, const X*... x) {
    launch(stream, {grid_for(n, kMapThreads * kMapChunks * V), kMapThreads},
           map_kernel<V, F, Y, X...>, n, f, y, x...);
}

/// Elements of a chunk that is 16 bytes of the widest type.
template <class... T>
inline constexpr int kSharedLanes = 16 / static_cast<int>(std::max({sizeof(T)...}));

template <class... Pointers>
bool all_aligned(const Pointers*... pointers) {
    return (aligned16(pointers) && ...);
}

/// y[i] = f(x[i]...) for i < n, f a function object on floats.
template <class F, class Y, class... X>
void map(const Stream& stream, Index n, F f, Y* y, const X*... x) {
    if (all_aligned(y, x...))
        map_chunks<kSharedLanes<Y, X...>>(stream, n, f, y, x...);
    else
        map_chunks<1>(stream, n, f, y, x...);
}

}  // namespace fovea::kernels::cuda
