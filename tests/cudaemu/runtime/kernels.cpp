// Queries and settings of kernels: attributes, occupancy.
#include <algorithm>
#include <cstring>

#include "tests/cudaemu/machine/config.h"
#include "tests/cudaemu/runtime/errors.h"
#include "tests/cudaemu/runtime/modules.h"

using namespace fovea::cudaemu;

extern "C" {

cudaError_t cudaFuncSetAttribute(const void* f, cudaFuncAttribute attribute, int value) {
    cudaError_t error;
    KernelEntry* k = find_kernel(f, error);
    if (!k || attribute != cudaFuncAttributeMaxDynamicSharedMemorySize) return error;
    const u32 limit = config().smem_optin, fixed = k->image->static_shared;
    if (value < 0 || u32(value) + fixed > limit) {
        complain(
            format("cudaFuncSetAttribute: %d bytes of dynamic shared memory for %s exceed the "
                   "device limit (%u, of which %u static)",
                   value, k->image->demangled.c_str(), limit, fixed));
        return set_error(cudaErrorInvalidValue);
    }
    k->max_dyn_smem = value;
    return cudaSuccess;
}
cudaError_t cudaFuncSetCacheConfig(const void*, cudaFuncCache) { return cudaSuccess; }

cudaError_t cudaFuncGetName(const char** name, const void* f) {
    cudaError_t error;
    if (const KernelEntry* k = find_kernel(f, error)) *name = k->name.c_str();
    return error;
}

cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* a, const void* f) {
    cudaError_t error;
    const KernelEntry* k = find_kernel(f, error);
    if (!k) return error;
    const u32 fixed = k->image->static_shared;
    const u32* most = k->image->fn->maxntid;
    *a = {};
    a->sharedSizeBytes = fixed;
    a->localSizeBytes = k->image->local_per_thread;
    a->maxThreadsPerBlock = most[0] ? int(most[0] * most[1] * most[2]) : 1024;
    a->numRegs = 32;  // unknown before ptxas
    a->ptxVersion = k->module->arch;
    a->binaryVersion = config().cc;
    a->maxDynamicSharedSizeBytes =
        k->max_dyn_smem >= 0 ? k->max_dyn_smem : int(config().smem_block - fixed);
    return cudaSuccess;
}

// By threads and shared memory; registers are not known.
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int* blocks, const void* f,
                                                                   int threads, size_t smem,
                                                                   unsigned) {
    cudaError_t error;
    const KernelEntry* k = find_kernel(f, error);
    if (!k) return error;
    const size_t shared = smem + k->image->static_shared;
    if (threads <= 0 || threads > 1024 || shared > config().smem_optin)
        *blocks = 0;
    else
        *blocks =
            std::min({64 / ((threads + 31) / 32), int(config().smem_sm / (shared + 1024)), 32});
    return cudaSuccess;
}
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, const void* f, int threads,
                                                          size_t smem) {
    return cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(blocks, f, threads, smem, 0);
}

cudaError_t cudaOccupancyAvailableDynamicSMemPerBlock(size_t* bytes, const void* f, int blocks,
                                                      int) {
    cudaError_t error;
    const KernelEntry* k = find_kernel(f, error);
    if (!k) return error;
    *bytes = std::min(config().smem_sm / u32(blocks) - 1024, config().smem_optin) -
             k->image->static_shared;
    return cudaSuccess;
}
cudaError_t cudaOccupancyMaxActiveClusters(int* clusters, const void*, const cudaLaunchConfig_t*) {
    *clusters = config().sms / 16;
    return cudaSuccess;
}
cudaError_t cudaOccupancyMaxPotentialClusterSize(int* size, const void*,
                                                 const cudaLaunchConfig_t*) {
    *size = 8;
    return cudaSuccess;
}

}  // extern "C"
