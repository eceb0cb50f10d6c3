// memcpy and memset in all their forms.
#include <cuda_runtime_api.h>

#include <cstring>

#include "tests/cudaemu/machine/memory.h"
#include "tests/cudaemu/runtime/errors.h"
#include "tests/cudaemu/runtime/memory.h"
#include "tests/cudaemu/runtime/modules.h"
#include "tests/cudaemu/runtime/streams.h"

namespace fovea::cudaemu {

namespace {

cudaError_t copy(void* to, const void* from, size_t n, cudaMemcpyKind kind, const char* api) {
    if (!n) return cudaSuccess;
    if (!to || !from) return cudaErrorInvalidValue;
    const bool to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
    const bool from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
    if (!check_range(to, n, api, to_device) || !check_range(from, n, api, from_device))
        return cudaErrorInvalidValue;
    memmove(to, from, n);
    return cudaSuccess;
}

struct Rows {
    size_t width, height;  // bytes, rows
};

cudaError_t copy_rows(void* to, size_t to_pitch, const void* from, size_t from_pitch, Rows rows,
                      cudaMemcpyKind kind) {
    if (rows.width > to_pitch || rows.width > from_pitch) return cudaErrorInvalidPitchValue;
    for (size_t y = 0; y < rows.height; y++) {
        const cudaError_t e =
            copy(static_cast<char*>(to) + y * to_pitch,
                 static_cast<const char*>(from) + y * from_pitch, rows.width, kind, "cudaMemcpy2D");
        if (e != cudaSuccess) return e;
    }
    return cudaSuccess;
}

cudaError_t fill(void* p, int value, size_t n, const char* api) {
    if (!check_range(p, n, api, true)) return cudaErrorInvalidValue;
    if (n) memset(p, value, n);
    return cudaSuccess;
}

cudaError_t fill_rows(void* p, size_t pitch, int value, Rows rows) {
    for (size_t y = 0; y < rows.height; y++) {
        const cudaError_t e =
            fill(static_cast<char*>(p) + y * pitch, value, rows.width, "cudaMemset2D");
        if (e != cudaSuccess) return e;
    }
    return cudaSuccess;
}

// Work that the host waits for.
template <class F>
cudaError_t run_now(const char* api, F f) {
    RETURN_IF_STICKY();
    if (capture_forbids(api)) return set_error(cudaErrorStreamCaptureUnsupported);
    drain_all(true);
    RETURN_IF_STICKY();
    return set_error(f());
}

bool pageable(const void* p) {
    Allocation a;
    return !DeviceMemory::get().find(u64(p), a);
}

// The address of bytes [offset, offset + n) of a variable.
char* part_of(const void* symbol, size_t n, size_t offset, cudaError_t& error) {
    size_t size = 0;
    char* p = static_cast<char*>(symbol_address(symbol, &size));
    error = !p ? cudaErrorInvalidSymbol : offset + n > size ? cudaErrorInvalidValue : cudaSuccess;
    return set_error(error) == cudaSuccess ? p + offset : nullptr;
}

}  // namespace

}  // namespace fovea::cudaemu

using namespace fovea::cudaemu;

extern "C" {

cudaError_t cudaMemcpy(void* to, const void* from, size_t n, cudaMemcpyKind kind) {
    return run_now("cudaMemcpy", [&] { return copy(to, from, n, kind, "cudaMemcpy"); });
}
cudaError_t cudaMemcpyPeer(void* to, int, const void* from, int, size_t n) {
    return cudaMemcpy(to, from, n, cudaMemcpyDeviceToDevice);
}
cudaError_t cudaMemcpy2D(void* to, size_t to_pitch, const void* from, size_t from_pitch,
                         size_t width, size_t height, cudaMemcpyKind kind) {
    return run_now("cudaMemcpy2D", [&] {
        return copy_rows(to, to_pitch, from, from_pitch, {width, height}, kind);
    });
}

// A copy that touches pageable memory is complete when the call returns.
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t n, cudaMemcpyKind kind,
                            cudaStream_t s) {
    const cudaError_t e = enqueue(s, cudaGraphNodeTypeMemcpy,
                                  [=] { return copy(to, from, n, kind, "cudaMemcpyAsync"); });
    if (lazy() && !stream_of(s)->capture && (pageable(to) || pageable(from))) drain(stream_of(s));
    return e;
}
cudaError_t cudaMemcpy2DAsync(void* to, size_t to_pitch, const void* from, size_t from_pitch,
                              size_t width, size_t height, cudaMemcpyKind kind, cudaStream_t s) {
    return enqueue(s, cudaGraphNodeTypeMemcpy, [=] {
        return copy_rows(to, to_pitch, from, from_pitch, {width, height}, kind);
    });
}

cudaError_t cudaMemset(void* p, int value, size_t n) {
    return enqueue(nullptr, cudaGraphNodeTypeMemset,
                   [=] { return fill(p, value, n, "cudaMemset"); });
}
cudaError_t cudaMemsetAsync(void* p, int value, size_t n, cudaStream_t s) {
    return enqueue(s, cudaGraphNodeTypeMemset,
                   [=] { return fill(p, value, n, "cudaMemsetAsync"); });
}
cudaError_t cudaMemset2D(void* p, size_t pitch, int value, size_t width, size_t height) {
    return cudaMemset2DAsync(p, pitch, value, width, height, nullptr);
}
cudaError_t cudaMemset2DAsync(void* p, size_t pitch, int value, size_t width, size_t height,
                              cudaStream_t s) {
    return enqueue(s, cudaGraphNodeTypeMemset, [=] {
        return fill_rows(p, pitch, value, {width, height});
    });
}

// ---- variables of the device --------------------------------------------------------------------

cudaError_t cudaMemcpyToSymbolAsync(const void* symbol, const void* from, size_t n, size_t offset,
                                    cudaMemcpyKind kind, cudaStream_t s) {
    cudaError_t error;
    char* p = part_of(symbol, n, offset, error);
    return p ? cudaMemcpyAsync(p, from, n, kind, s) : error;
}
cudaError_t cudaMemcpyFromSymbolAsync(void* to, const void* symbol, size_t n, size_t offset,
                                      cudaMemcpyKind kind, cudaStream_t s) {
    cudaError_t error;
    const char* p = part_of(symbol, n, offset, error);
    return p ? cudaMemcpyAsync(to, p, n, kind, s) : error;
}
cudaError_t cudaMemcpyToSymbol(const void* symbol, const void* from, size_t n, size_t offset,
                               cudaMemcpyKind kind) {
    const cudaError_t e = cudaMemcpyToSymbolAsync(symbol, from, n, offset, kind, nullptr);
    drain(stream_of(nullptr));
    return e;
}
cudaError_t cudaMemcpyFromSymbol(void* to, const void* symbol, size_t n, size_t offset,
                                 cudaMemcpyKind kind) {
    const cudaError_t e = cudaMemcpyFromSymbolAsync(to, symbol, n, offset, kind, nullptr);
    drain(stream_of(nullptr));
    return e;
}

}  // extern "C"
