// The kernels and variables that a program announces when it starts.
#pragma once

#include <cuda_runtime_api.h>

#include <string>

#include "tests/cudaemu/decode/program.h"

namespace fovea::cudaemu {

/// The fat binary of one object file.
struct ModuleEntry {
    const void* wrapper = nullptr;
    std::unique_ptr<ModuleImage> image;  // loaded at its first use
    bool tried = false;
    int arch = 0;  // of the PTX that was chosen
};

struct KernelEntry {
    ModuleEntry* module = nullptr;
    std::string name;       // mangled
    int max_dyn_smem = -1;  // cudaFuncAttributeMaxDynamicSharedMemorySize; -1: not set
    KernelImage* image = nullptr;
};

/// The kernel behind the host function, or cudaKernel_t, f, decoded. Otherwise null and an error
/// set.
KernelEntry* find_kernel(const void* f, cudaError_t& error);

/// Device address of a __device__, __constant__ or __managed__ variable; null if there is none.
void* symbol_address(const void* symbol, size_t* size);

}  // namespace fovea::cudaemu
