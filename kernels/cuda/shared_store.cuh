// One 16-byte store to shared memory.
#pragma once

#include <cuda_runtime.h>

namespace fovea::kernels::cuda {

/// p[0..3] = x, y, z, w; p in shared memory, 16-byte aligned. In assembly, because nvcc now and then
/// makes four stores of an ordinary one (after merging it with that of another branch), and those of a
/// warp then meet in the same banks.
__device__ __forceinline__ void store_shared(float* p, float x, float y, float z, float w) {
    asm volatile("st.shared.v4.f32 [%0], {%1, %2, %3, %4};" ::"r"(
                     static_cast<unsigned>(__cvta_generic_to_shared(p))),
                 "f"(x), "f"(y), "f"(z), "f"(w)
                 : "memory");
}

}  // namespace fovea::kernels::cuda
