// Every call to the CUDA runtime goes through FOVEA_CUDA_CHECK, which throws with the expression, the
// place and CUDA's own words.
#pragma once

#include <cuda_runtime_api.h>

#include <string>

#include "kernels/include/gpu.h"

namespace fovea::kernels::cuda {

[[noreturn]] void fail(const char* expression, const char* file, int line, const std::string& why);

inline void check(cudaError_t status, const char* expression, const char* file, int line) {
    if (status == cudaSuccess) return;
    fail(expression, file, line,
         std::string(cudaGetErrorName(status)) + ": " + cudaGetErrorString(status));
}

}  // namespace fovea::kernels::cuda

#define FOVEA_CUDA_CHECK(expression) \
    ::fovea::kernels::cuda::check((expression), #expression, __FILE__, __LINE__)
