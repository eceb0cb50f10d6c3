// Queries of the pretended devices: an H100, or what CUDAEMU_CC and CUDAEMU_SMS say; CUDAEMU_DEVICES of
// them.
#include <cuda_runtime_api.h>

#include <cstring>

#include "tests/cudaemu/machine/config.h"
#include "tests/cudaemu/machine/memory.h"
#include "tests/cudaemu/runtime/errors.h"
#include "tests/cudaemu/runtime/streams.h"

using namespace fovea::cudaemu;

// What is the same for all the devices.
namespace {
constexpr int kThreadsPerBlock = 1024, kThreadsPerSm = 2048, kBlocksPerSm = 32, kBlockZ = 64;
constexpr int kGridX = 0x7fffffff, kGridYZ = 65535, kRegisters = 65536, kConstantBytes = 65536;
constexpr int kPitch = 0x7fffffff, kTextureAlignment = 512, kReservedShared = 1024;
constexpr int kL2 = 50 << 20, kL2Persisting = 32 << 20, kL2Window = 128 << 20, kBusBits = 5120;
constexpr int kCopyEngines = 3, kClockKhz = 1755000, kMemoryClockKhz = 2619000;
constexpr int kVersion = 13000;

thread_local int current = 0;
bool exists(int device) { return device >= 0 && device < config().devices; }
}  // namespace

int fovea::cudaemu::current_device() { return current; }

extern "C" {

cudaError_t cudaGetDeviceCount(int* n) {
    RETURN_IF_STICKY();
    *n = config().devices;
    return *n > 0 ? cudaSuccess : set_error(cudaErrorNoDevice);
}
cudaError_t cudaSetDevice(int d) {
    RETURN_IF_STICKY();
    if (!exists(d)) return set_error(cudaErrorInvalidDevice);
    current = d;
    return cudaSuccess;
}
cudaError_t cudaInitDevice(int d, unsigned, unsigned) {
    return exists(d) ? cudaSuccess : set_error(cudaErrorInvalidDevice);
}
cudaError_t cudaGetDevice(int* d) {
    *d = current;
    return cudaSuccess;
}
cudaError_t cudaSetDeviceFlags(unsigned) { return cudaSuccess; }
cudaError_t cudaGetDeviceFlags(unsigned* f) {
    *f = 0;
    return cudaSuccess;
}
cudaError_t cudaDeviceReset() { return cudaSuccess; }

cudaError_t cudaDeviceSynchronize() {
    if (capture_forbids("cudaDeviceSynchronize"))
        return set_error(cudaErrorStreamCaptureUnsupported);
    drain_all();
    return status();
}

cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
    if (least) *least = 0;
    if (greatest) *greatest = -5;
    return cudaSuccess;
}
cudaError_t cudaDeviceSetCacheConfig(cudaFuncCache) { return cudaSuccess; }
cudaError_t cudaDeviceGetCacheConfig(cudaFuncCache* c) {
    *c = cudaFuncCachePreferNone;
    return cudaSuccess;
}

// Limits are remembered, nothing more.
static size_t limits[16] = {1024, 1 << 20, 8 << 20, 2, 2048, 128, 0};
cudaError_t cudaDeviceSetLimit(cudaLimit l, size_t v) {
    if (unsigned(l) < 16) limits[l] = v;
    return cudaSuccess;
}
cudaError_t cudaDeviceGetLimit(size_t* v, cudaLimit l) {
    *v = unsigned(l) < 16 ? limits[l] : 0;
    return cudaSuccess;
}

cudaError_t cudaDeviceCanAccessPeer(int* can, int, int) {
    *can = 0;
    return cudaSuccess;
}
cudaError_t cudaDriverGetVersion(int* v) {
    *v = kVersion;
    return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int* v) {
    *v = kVersion;
    return cudaSuccess;
}
cudaError_t cudaDeviceGetPCIBusId(char* s, int n, int) {
    snprintf(s, size_t(n), "0000:00:00.0");
    return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* p, int device) {
    if (!exists(device)) return set_error(cudaErrorInvalidDevice);
    const Config& c = config();
    memset(p, 0, sizeof(*p));
    strcpy(p->name, "cudaemu");
    p->major = c.cc / 10;
    p->minor = c.cc % 10;
    p->multiProcessorCount = c.sms;

    p->totalGlobalMem = DeviceMemory::get().total();
    p->totalConstMem = kConstantBytes;
    p->sharedMemPerBlock = c.smem_block;
    p->sharedMemPerBlockOptin = c.smem_optin;
    p->sharedMemPerMultiprocessor = c.smem_sm;
    p->reservedSharedMemPerBlock = kReservedShared;
    p->regsPerBlock = kRegisters;
    p->regsPerMultiprocessor = kRegisters;
    p->memoryBusWidth = kBusBits;
    p->l2CacheSize = kL2;
    p->persistingL2CacheMaxSize = kL2Persisting;
    p->accessPolicyMaxWindowSize = kL2Window;
    p->memPitch = kPitch;
    p->textureAlignment = kTextureAlignment;
    p->texturePitchAlignment = 32;

    p->warpSize = kWarp;
    p->maxThreadsPerBlock = kThreadsPerBlock;
    p->maxThreadsPerMultiProcessor = kThreadsPerSm;
    p->maxBlocksPerMultiProcessor = kBlocksPerSm;
    p->maxThreadsDim[0] = p->maxThreadsDim[1] = kThreadsPerBlock;
    p->maxThreadsDim[2] = kBlockZ;
    p->maxGridSize[0] = kGridX;
    p->maxGridSize[1] = p->maxGridSize[2] = kGridYZ;

    p->asyncEngineCount = kCopyEngines;
    p->canMapHostMemory = p->concurrentKernels = p->unifiedAddressing = 1;
    p->streamPrioritiesSupported = p->globalL1CacheSupported = p->localL1CacheSupported = 1;
    p->managedMemory = p->concurrentManagedAccess = p->computePreemptionSupported = 1;
    p->cooperativeLaunch = p->hostRegisterSupported = p->memoryPoolsSupported = 1;
    p->clusterLaunch = c.cc >= 90;
    return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* v, cudaDeviceAttr attribute, int device) {
    if (!exists(device)) return set_error(cudaErrorInvalidDevice);
    const Config& c = config();
    switch (attribute) {
        case cudaDevAttrComputeCapabilityMajor: *v = c.cc / 10; break;
        case cudaDevAttrComputeCapabilityMinor: *v = c.cc % 10; break;
        case cudaDevAttrMultiProcessorCount: *v = c.sms; break;
        case cudaDevAttrClockRate: *v = kClockKhz; break;
        case cudaDevAttrMemoryClockRate: *v = kMemoryClockKhz; break;
        case cudaDevAttrSingleToDoublePrecisionPerfRatio: *v = 2; break;

        case cudaDevAttrWarpSize: *v = kWarp; break;
        case cudaDevAttrMaxThreadsPerBlock:
        case cudaDevAttrMaxBlockDimX:
        case cudaDevAttrMaxBlockDimY: *v = kThreadsPerBlock; break;
        case cudaDevAttrMaxBlockDimZ: *v = kBlockZ; break;
        case cudaDevAttrMaxGridDimX: *v = kGridX; break;
        case cudaDevAttrMaxGridDimY:
        case cudaDevAttrMaxGridDimZ: *v = kGridYZ; break;
        case cudaDevAttrMaxThreadsPerMultiProcessor: *v = kThreadsPerSm; break;
        case cudaDevAttrMaxBlocksPerMultiprocessor: *v = kBlocksPerSm; break;

        case cudaDevAttrMaxSharedMemoryPerBlock: *v = int(c.smem_block); break;
        case cudaDevAttrMaxSharedMemoryPerBlockOptin: *v = int(c.smem_optin); break;
        case cudaDevAttrMaxSharedMemoryPerMultiprocessor: *v = int(c.smem_sm); break;
        case cudaDevAttrReservedSharedMemoryPerBlock: *v = kReservedShared; break;
        case cudaDevAttrTotalConstantMemory: *v = kConstantBytes; break;
        case cudaDevAttrMaxRegistersPerBlock:
        case cudaDevAttrMaxRegistersPerMultiprocessor: *v = kRegisters; break;
        case cudaDevAttrGlobalMemoryBusWidth: *v = kBusBits; break;
        case cudaDevAttrL2CacheSize: *v = kL2; break;
        case cudaDevAttrMaxPersistingL2CacheSize: *v = kL2Persisting; break;
        case cudaDevAttrMaxAccessPolicyWindowSize: *v = kL2Window; break;
        case cudaDevAttrMaxPitch: *v = kPitch; break;
        case cudaDevAttrTextureAlignment: *v = kTextureAlignment; break;

        case cudaDevAttrAsyncEngineCount: *v = kCopyEngines; break;
        case cudaDevAttrClusterLaunch: *v = c.cc >= 90; break;
        case cudaDevAttrCanMapHostMemory:
        case cudaDevAttrConcurrentKernels:
        case cudaDevAttrUnifiedAddressing:
        case cudaDevAttrStreamPrioritiesSupported:
        case cudaDevAttrGlobalL1CacheSupported:
        case cudaDevAttrLocalL1CacheSupported:
        case cudaDevAttrManagedMemory:
        case cudaDevAttrConcurrentManagedAccess:
        case cudaDevAttrComputePreemptionSupported:
        case cudaDevAttrCanUseHostPointerForRegisteredMem:
        case cudaDevAttrCooperativeLaunch:
        case cudaDevAttrHostRegisterSupported:
        case cudaDevAttrMemoryPoolsSupported:
        case cudaDevAttrGpuOverlap: *v = 1; break;
        case cudaDevAttrKernelExecTimeout:
        case cudaDevAttrIntegrated:
        case cudaDevAttrEccEnabled:
        case cudaDevAttrTccDriver:
        case cudaDevAttrIsMultiGpuBoard:
        case cudaDevAttrMultiGpuBoardGroupID:
        case cudaDevAttrPageableMemoryAccess:
        case cudaDevAttrComputeMode:
        case cudaDevAttrPciBusId:
        case cudaDevAttrPciDeviceId:
        case cudaDevAttrPciDomainId:
        case cudaDevAttrHostNativeAtomicSupported:
        case cudaDevAttrDirectManagedMemAccessFromHost:
        case cudaDevAttrPageableMemoryAccessUsesHostPageTables:
        case cudaDevAttrGPUDirectRDMASupported:
        case cudaDevAttrMpsEnabled:
        case cudaDevAttrIpcEventSupport:
        case cudaDevAttrMemoryPoolSupportedHandleTypes: *v = 0; break;
        default:
            die(format("cudaDeviceGetAttribute: attribute %d is not supported", int(attribute)));
    }
    return cudaSuccess;
}

cudaError_t cudaProfilerStart() { return cudaSuccess; }
cudaError_t cudaProfilerStop() { return cudaSuccess; }
cudaError_t cudaCtxResetPersistingL2Cache() { return cudaSuccess; }

}  // extern "C"
