// Allocation and release of memory.
#include "tests/cudaemu/machine/memory.h"

#include <cuda_runtime_api.h>

#include "tests/cudaemu/runtime/errors.h"
#include "tests/cudaemu/runtime/memory.h"
#include "tests/cudaemu/runtime/streams.h"

namespace fovea::cudaemu {

bool check_range(const void* p, size_t bytes, const char* api, bool must_be_device) {
    if (!bytes) return true;
    DeviceMemory& memory = DeviceMemory::get();
    Allocation a;
    if (memory.find(u64(p), a)) {
        const u64 end = u64(p) + bytes, limit = a.base + a.size;
        if (end <= limit) return true;
        complain(
            format("%s: range of %zu bytes at %p runs %llu bytes past the end of an allocation "
                   "of %llu bytes",
                   api, bytes, p, ull(end - limit), ull(a.size)));
        return false;
    }
    if (!memory.in_arena(u64(p)) && !must_be_device) return true;
    complain(
        format("%s: %p is not a device pointer (%s)", api, p, memory.describe(u64(p)).c_str()));
    return false;
}

static cudaError_t allocate(void** p, size_t bytes, MemKind kind) {
    *p = bytes ? DeviceMemory::get().alloc(bytes, kind, current_device()) : nullptr;
    return *p || !bytes ? cudaSuccess : set_error(cudaErrorMemoryAllocation);
}

static cudaError_t allocate_now(void** p, size_t bytes, MemKind kind, const char* api) {
    RETURN_IF_STICKY();
    if (!p) return set_error(cudaErrorInvalidValue);
    if (capture_forbids(api)) return set_error(cudaErrorStreamCaptureUnsupported);
    return allocate(p, bytes, kind);
}

static cudaError_t release(void* p, const char* api) {
    if (!p || DeviceMemory::get().release(p)) return status();
    complain(format("%s: %p was not allocated or was already freed (%s)", api, p,
                    DeviceMemory::get().describe(u64(p)).c_str()));
    return set_error(cudaErrorInvalidValue);
}

// Waits for the device first.
static cudaError_t release_now(void* p, const char* api) {
    if (!p) return cudaSuccess;
    if (capture_forbids(api)) return set_error(cudaErrorStreamCaptureUnsupported);
    drain_all();
    return release(p, api);
}

}  // namespace fovea::cudaemu

using namespace fovea::cudaemu;

extern "C" {

/// For the libraries on top: is this device memory?
int cudaemu_check_range(const void* p, size_t bytes, const char* what) {
    return check_range(p, bytes, what, true);
}

cudaError_t cudaMalloc(void** p, size_t n) {
    return allocate_now(p, n, MemKind::Device, "cudaMalloc");
}
cudaError_t cudaMallocManaged(void** p, size_t n, unsigned) {
    return allocate_now(p, n, MemKind::Managed, "cudaMallocManaged");
}
cudaError_t cudaMallocHost(void** p, size_t n) {
    return allocate_now(p, n, MemKind::Host, "cudaMallocHost");
}
cudaError_t cudaHostAlloc(void** p, size_t n, unsigned) {
    return allocate_now(p, n, MemKind::Host, "cudaHostAlloc");
}
cudaError_t cudaMallocPitch(void** p, size_t* pitch, size_t width, size_t height) {
    *pitch = align_up(width, 512);
    return allocate_now(p, *pitch * height, MemKind::Device, "cudaMallocPitch");
}
cudaError_t cudaFree(void* p) { return release_now(p, "cudaFree"); }
cudaError_t cudaFreeHost(void* p) { return release_now(p, "cudaFreeHost"); }

// ---- in stream order ----------------------------------------------------------------------------

cudaError_t cudaMallocAsync(void** p, size_t n, cudaStream_t) {
    RETURN_IF_STICKY();
    return allocate(p, n, MemKind::Device);
}
cudaError_t cudaMallocFromPoolAsync(void** p, size_t n, cudaMemPool_t, cudaStream_t s) {
    return cudaMallocAsync(p, n, s);
}
cudaError_t cudaFreeAsync(void* p, cudaStream_t s) {
    if (stream_of(s)->capture) return cudaSuccess;  // the graph's memory lives as long as the graph
    return enqueue(s, cudaGraphNodeTypeMemFree, [p] { return release(p, "cudaFreeAsync"); });
}

// There is one pool, whatever it is called.
static cudaError_t get_pool(cudaMemPool_t* p) {
    static int pool;
    *p = reinterpret_cast<cudaMemPool_t>(&pool);
    return cudaSuccess;
}
cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t* p, int) { return get_pool(p); }
cudaError_t cudaDeviceGetMemPool(cudaMemPool_t* p, int) { return get_pool(p); }
cudaError_t cudaDeviceSetMemPool(int, cudaMemPool_t) { return cudaSuccess; }
cudaError_t cudaMemPoolCreate(cudaMemPool_t* p, const cudaMemPoolProps*) { return get_pool(p); }
cudaError_t cudaMemPoolDestroy(cudaMemPool_t) { return cudaSuccess; }
cudaError_t cudaMemPoolTrimTo(cudaMemPool_t, size_t) { return cudaSuccess; }
cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t, cudaMemPoolAttr, void*) { return cudaSuccess; }
cudaError_t cudaMemPoolGetAttribute(cudaMemPool_t, cudaMemPoolAttr, void* value) {
    *static_cast<u64*>(value) = DeviceMemory::get().used();
    return cudaSuccess;
}

// ---- registered host memory, queries ------------------------------------------------------------

cudaError_t cudaHostRegister(void* p, size_t n, unsigned) {
    DeviceMemory::get().register_range(p, n, MemKind::Registered);
    return cudaSuccess;
}
cudaError_t cudaHostUnregister(void* p) {
    return DeviceMemory::get().unregister_range(p) ? cudaSuccess
                                                   : set_error(cudaErrorHostMemoryNotRegistered);
}
cudaError_t cudaHostGetDevicePointer(void** device, void* host, unsigned) {
    *device = host;
    return cudaSuccess;
}
cudaError_t cudaHostGetFlags(unsigned* flags, void*) {
    *flags = 0;
    return cudaSuccess;
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* a, const void* p) {
    *a = {};
    void* const q = const_cast<void*>(p);
    Allocation found;
    if (!DeviceMemory::get().find(u64(p), found)) {
        a->type = cudaMemoryTypeUnregistered;
        a->device = cudaInvalidDeviceId;
        a->hostPointer = q;
        return cudaSuccess;
    }
    a->device = found.device;
    a->devicePointer = q;
    switch (found.kind) {
        case MemKind::Host:
        case MemKind::Registered: a->type = cudaMemoryTypeHost; break;
        case MemKind::Managed: a->type = cudaMemoryTypeManaged; break;
        default: a->type = cudaMemoryTypeDevice; return cudaSuccess;
    }
    a->hostPointer = q;
    return cudaSuccess;
}

static cudaError_t checked(const void* p, size_t n, const char* api) {
    return check_range(p, n, api, true) ? cudaSuccess : set_error(cudaErrorInvalidValue);
}
cudaError_t cudaMemPrefetchAsync(const void* p, size_t n, cudaMemLocation, unsigned, cudaStream_t) {
    return checked(p, n, "cudaMemPrefetchAsync");
}
cudaError_t cudaMemAdvise(const void* p, size_t n, cudaMemoryAdvise, cudaMemLocation) {
    return checked(p, n, "cudaMemAdvise");
}

cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
    const DeviceMemory& memory = DeviceMemory::get();
    *total = memory.total();
    *free = memory.used() < memory.total() ? memory.total() - memory.used() : 0;
    return cudaSuccess;
}

}  // extern "C"
