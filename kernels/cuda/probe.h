// A kernel that does nothing: can this device run what this program was compiled for?
#pragma once

#include <cuda_runtime_api.h>

namespace fovea::kernels::cuda {

/// cudaSuccess, or why the current device cannot load the kernel.
cudaError_t probe();

}  // namespace fovea::kernels::cuda
