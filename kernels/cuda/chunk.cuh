// Chunks: V neighbouring elements that one thread handles. V is kLanes<T>, a 16-byte access, where
// every pointer is aligned and the row length a multiple of it; else 1, which works anywhere.
#pragma once

#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/numbers.cuh"

namespace fovea::kernels::cuda {

template <int V, class T>
__device__ __forceinline__ void load_chunk(float (&x)[V], const T* p) {
    if constexpr (V == 1)
        x[0] = to_float(*p);
    else
        load<V>(x, p);
}

/// The chunk at p, or V times `otherwise` where p is null: norm weights and biases are optional.
template <int V>
__device__ __forceinline__ void load_chunk_or(float (&x)[V], const float* p, Index offset,
                                              float otherwise) {
    if (p != nullptr) return load_chunk<V>(x, p + offset);
#pragma unroll
    for (float& e : x) e = otherwise;
}

template <int V, class T>
__device__ __forceinline__ void store_chunk(T* p, const float (&x)[V]) {
    if constexpr (V == 1)
        *p = from_float<T>(x[0]);
    else
        store<V>(p, x);
}

/// May rows of C elements of T be handled in 16-byte chunks? Null pointers do not object.
template <class T, class... Pointers>
bool chunks_fit(Index C, const Pointers*... pointers) {
    return C % kLanes<T> == 0 && (aligned16(pointers) && ...);
}

/// Calls f(std::integral_constant<int, V>{}).
template <class T, class F>
void with_chunk(bool fits, F f) {
    if (fits)
        f(std::integral_constant<int, kLanes<T>>{});
    else
        f(std::integral_constant<int, 1>{});
}

}  // namespace fovea::kernels::cuda
