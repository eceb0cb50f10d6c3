// Kernel launches: what the device would refuse, and the others.
#include <algorithm>

#include "tests/cudaemu/machine/config.h"
#include "tests/cudaemu/machine/state.h"
#include "tests/cudaemu/runtime/errors.h"
#include "tests/cudaemu/runtime/modules.h"
#include "tests/cudaemu/runtime/streams.h"

namespace fovea::cudaemu {

namespace {

struct LaunchShape {
    dim3 grid, block;
    size_t smem = 0;  // dynamic shared memory, bytes
    dim3 cluster{1, 1, 1};
    bool cooperative = false;
    int device = current_device();

    u64 threads() const { return u64(block.x) * block.y * block.z; }
    u64 blocks() const { return u64(grid.x) * grid.y * grid.z; }
    std::string text() const {
        return format("grid (%u,%u,%u) block (%u,%u,%u) dynamic shared %zu", grid.x, grid.y, grid.z,
                      block.x, block.y, block.z, smem);
    }
};

struct Refusal {
    cudaError_t error = cudaSuccess;
    std::string why;
};

Refusal check_grid(const LaunchShape& s) {
    constexpr cudaError_t kError = cudaErrorInvalidConfiguration;
    if (!s.threads() || !s.blocks()) return {kError, "zero-sized grid or block"};
    if (s.threads() > 1024)
        return {kError, format("%u threads per block exceed 1024", u32(s.threads()))};
    if (s.block.z > 64) return {kError, "block.z exceeds 64"};
    if (s.grid.x > 0x7fffffffu || s.grid.y > 65535 || s.grid.z > 65535)
        return {kError, "grid dimension too large"};
    if (s.blocks() > 0xffffffffull)
        return {kError, "more than 2^32 blocks are not supported by cudaemu"};
    if (s.grid.x % s.cluster.x || s.grid.y % s.cluster.y || s.grid.z % s.cluster.z)
        return {kError, "grid is not a multiple of the cluster size"};
    if (s.cluster.x * s.cluster.y * s.cluster.z > 16)
        return {kError, "cluster larger than 16 blocks"};
    return {};
}

Refusal check_shared(const KernelEntry& k, const LaunchShape& s) {
    const Config& device = config();
    const u32 fixed = k.image->static_shared;
    const size_t usual = device.smem_block > fixed ? device.smem_block - fixed : 0;
    const size_t limit = std::max(usual, size_t(std::max(k.max_dyn_smem, 0)));
    if (s.smem > limit)
        return {cudaErrorInvalidValue,
                format("dynamic shared memory exceeds the limit of %zu bytes "
                       "(set cudaFuncAttributeMaxDynamicSharedMemorySize)",
                       limit)};
    if (s.smem + fixed > device.smem_optin)
        return {cudaErrorInvalidValue,
                format("shared memory exceeds the device limit of %u bytes", device.smem_optin)};
    return {};
}

Refusal check_bounds(const KernelEntry& k, const LaunchShape& s) {
    const u32* required = k.image->fn->reqntid;
    if (required[0] &&
        (s.block.x != required[0] || s.block.y != required[1] || s.block.z != required[2]))
        return {cudaErrorInvalidValue, "block shape differs from .reqntid"};
    const u32* most = k.image->fn->maxntid;
    const u32 bound = most[0] * most[1] * most[2];
    if (bound && s.threads() > bound)
        return {cudaErrorLaunchFailure,
                format("%u threads exceed __launch_bounds__ of %u", u32(s.threads()), bound)};
    return {};
}

cudaError_t run_kernel(KernelImage* image, const LaunchShape& s, const std::vector<u8>& params) {
    Launch l;
    l.image = image;
    auto set = [](u32* to, dim3 from) { to[0] = from.x, to[1] = from.y, to[2] = from.z; };
    set(l.grid, s.grid);
    set(l.block, s.block);
    set(l.cluster, s.cluster);
    l.dyn_smem = u32(s.smem);
    l.cooperative = s.cooperative;
    l.device = s.device;
    l.params = params;
    if (config().verbose)
        fprintf(stderr, "cudaemu: launch %s %s\n", image->demangled.c_str(), s.text().c_str());
    run_launch(l);
    fflush(stdout);
    if (!l.failed) return cudaSuccess;
    set_sticky(l.error);
    complain(l.message);
    return cudaError_t(l.error);
}

cudaError_t launch(const void* f, LaunchShape s, void** args, cudaStream_t stream) {
    RETURN_IF_STICKY();
    if (of_other_device(stream, "a launch")) return set_error(cudaErrorInvalidResourceHandle);
    cudaError_t error;
    const KernelEntry* k = find_kernel(f, error);
    if (!k) return error;
    KernelImage* image = k->image;
    const u32* cluster = image->fn->cluster;
    if (cluster[0]) s.cluster = dim3(cluster[0], cluster[1], cluster[2]);

    for (const Refusal& r : {check_grid(s), check_shared(*k, s), check_bounds(*k, s)})
        if (r.error != cudaSuccess) {
            complain(format("launch of %s rejected: %s [%s]", image->demangled.c_str(),
                            r.why.c_str(), s.text().c_str()));
            return set_error(r.error);
        }
    if (s.cooperative) {
        int per_sm = 0;
        cudaOccupancyMaxActiveBlocksPerMultiprocessor(&per_sm, f, int(s.threads()), s.smem);
        if (s.blocks() > u64(per_sm) * u64(config().sms))
            return set_error(cudaErrorCooperativeLaunchTooLarge);
    }

    std::vector<u8> params(image->param_bytes);
    for (size_t i = 0; i < image->fn->params.size(); i++)
        memcpy(params.data() + image->param_off[i], args[i], image->fn->params[i]->bytes);
    return enqueue(stream, cudaGraphNodeTypeKernel,
                   [image, s, params] { return run_kernel(image, s, params); });
}

// kernel<<<grid, block, smem, stream>>>(...) pushes its shape, then the generated stub pops it.
struct Pushed {
    dim3 grid, block;
    size_t smem;
    void* stream;
};
thread_local std::vector<Pushed> pushed;

}  // namespace

}  // namespace fovea::cudaemu

using namespace fovea::cudaemu;

extern "C" {

unsigned __cudaPushCallConfiguration(dim3 grid, dim3 block, size_t smem, CUstream_st* stream) {
    pushed.push_back({grid, block, smem, stream});
    return 0;
}
cudaError_t __cudaPopCallConfiguration(dim3* grid, dim3* block, size_t* smem, void* stream) {
    if (pushed.empty()) return set_error(cudaErrorMissingConfiguration);
    const Pushed p = pushed.back();
    pushed.pop_back();
    *grid = p.grid;
    *block = p.block;
    *smem = p.smem;
    *static_cast<void**>(stream) = p.stream;
    return cudaSuccess;
}

cudaError_t __cudaLaunchKernel(cudaKernel_t k, dim3 grid, dim3 block, void** args, size_t smem,
                               cudaStream_t s) {
    return launch(k, {grid, block, smem}, args, s);
}
cudaError_t __cudaLaunchKernel_ptsz(cudaKernel_t k, dim3 grid, dim3 block, void** args, size_t smem,
                                    cudaStream_t s) {
    return launch(k, {grid, block, smem}, args, s);
}
cudaError_t cudaLaunchKernel(const void* f, dim3 grid, dim3 block, void** args, size_t smem,
                             cudaStream_t s) {
    return launch(f, {grid, block, smem}, args, s);
}
cudaError_t cudaLaunchCooperativeKernel(const void* f, dim3 grid, dim3 block, void** args,
                                        size_t smem, cudaStream_t s) {
    return launch(f, {grid, block, smem, dim3(1, 1, 1), true}, args, s);
}

cudaError_t cudaLaunchKernelExC(const cudaLaunchConfig_t* c, const void* f, void** args) {
    LaunchShape s{c->gridDim, c->blockDim, c->dynamicSmemBytes};
    for (unsigned i = 0; i < c->numAttrs; i++) {
        const cudaLaunchAttribute& a = c->attrs[i];
        switch (a.id) {
            case cudaLaunchAttributeClusterDimension:
                s.cluster = dim3(a.val.clusterDim.x, a.val.clusterDim.y, a.val.clusterDim.z);
                break;
            case cudaLaunchAttributeCooperative: s.cooperative = a.val.cooperative != 0; break;
            case cudaLaunchAttributeIgnore:
            case cudaLaunchAttributeAccessPolicyWindow:
            case cudaLaunchAttributeSynchronizationPolicy:
            case cudaLaunchAttributeClusterSchedulingPolicyPreference:
            case cudaLaunchAttributeProgrammaticStreamSerialization:
            case cudaLaunchAttributePriority:
            case cudaLaunchAttributeMemSyncDomain:
            case cudaLaunchAttributeMemSyncDomainMap:
            case cudaLaunchAttributePreferredSharedMemoryCarveout: break;  // speed alone
            default:
                die(format("cudaLaunchKernelExC: launch attribute %d is not supported", int(a.id)));
        }
    }
    return launch(f, s, args, c->stream);
}

}  // extern "C"
