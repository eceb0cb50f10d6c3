// One place that launches kernels: empty grids are left out, limits are checked, errors are thrown.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/cuda/check.h"
#include "kernels/include/kernel.h"

namespace fovea::kernels::cuda {

using Index = std::int64_t;

inline cudaStream_t handle(const Stream& stream) {
    return static_cast<cudaStream_t>(stream.handle);
}

constexpr Index ceil_div(Index a, Index b) { return (a + b - 1) / b; }

/// Blocks of a grid-stride loop over n items, `per_block` items a block and round: enough to fill any
/// device, few enough that each does some work.
inline unsigned grid_for(Index n, Index per_block) {
    return static_cast<unsigned>(std::min<Index>(ceil_div(n, per_block), 132 * 16));
}

/// Grid, block, dynamic shared memory (bytes) and stream of one launch.
struct Launch {
    dim3 grid;
    dim3 block;
    std::size_t shared = 0;
};

/// kernel<<<...>>>(args...): nothing for an empty grid; raises the kernel's limit of dynamic shared
/// memory where more than 48 KiB are asked for.
template <class... Parameters, class... Args>
void launch(const Stream& stream, const Launch& how, void (*kernel)(Parameters...),
            const Args&... args) {
    if (how.grid.x == 0 || how.grid.y == 0 || how.grid.z == 0) return;
    if (how.shared > 48 * 1024) {
        FOVEA_CUDA_CHECK(cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel),
                                              cudaFuncAttributeMaxDynamicSharedMemorySize,
                                              static_cast<int>(how.shared)));
    }
    kernel<<<how.grid, how.block, how.shared, handle(stream)>>>(args...);
    FOVEA_CUDA_CHECK(cudaGetLastError());
}

}  // namespace fovea::kernels::cuda
