// One 16-byte store to global memory.
#pragma once

#include "kernels/cuda/chunk.cuh"

namespace fovea::kernels::cuda {

/// store_chunk, of 16 bytes or of one element. In assembly, because nvcc splits an ordinary store that
/// follows a branch into pieces of 4 bytes, and each of those touches all of the warp's sectors.
template <int V, class T>
__device__ __forceinline__ void store_whole_chunk(T* p, const float (&x)[V]) {
    if constexpr (V == 1) {
        store_chunk<V>(p, x);
    } else {
        static_assert(V == kLanes<T>);
        uint4 words;
        store<V>(reinterpret_cast<T*>(&words), x);
        asm volatile("st.global.v4.u32 [%0], {%1, %2, %3, %4};" ::"l"(__cvta_generic_to_global(p)),
                     "r"(words.x), "r"(words.y), "r"(words.z), "r"(words.w)
                     : "memory");
    }
}

}  // namespace fovea::kernels::cuda
