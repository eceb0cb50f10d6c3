#include "tests/cudaemu/runtime/errors.h"

#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>

#include "tests/cudaemu/machine/config.h"

namespace fovea::cudaemu {

static std::atomic<int> sticky_error{cudaSuccess};
static thread_local cudaError_t last_error = cudaSuccess;

// CUDA does not work in a child of a process that has used it.
static bool forked() {
    static const pid_t first = getpid();
    return getpid() != first;
}

cudaError_t sticky() {
    return forked() ? cudaErrorInitializationError : cudaError_t(sticky_error.load());
}
void set_sticky(int error) { sticky_error = error; }

cudaError_t set_error(cudaError_t e) {
    if (e != cudaSuccess) last_error = e;
    return e;
}

cudaError_t status() { return set_error(sticky()); }

void complain(const std::string& message) {
    fflush(stdout);
    fprintf(stderr, "cudaemu: %s\n", message.c_str());
    if (!config().fatal) return;
    fprintf(stderr, "cudaemu: aborting (CUDAEMU_CHECK_FATAL)\n");
    abort();
}

}  // namespace fovea::cudaemu

using namespace fovea::cudaemu;

namespace {

struct Description {
    cudaError_t error;
    const char *name, *text;
};

#define ERROR(name, text) \
    Description { name, #name, text }
const Description kDescriptions[] = {
    ERROR(cudaSuccess, "no error"),
    ERROR(cudaErrorInvalidValue, "invalid argument"),
    ERROR(cudaErrorMemoryAllocation, "out of memory"),
    ERROR(cudaErrorInitializationError, "initialization error"),
    ERROR(cudaErrorInvalidConfiguration, "invalid configuration argument"),
    ERROR(cudaErrorInvalidPitchValue, "invalid pitch argument"),
    ERROR(cudaErrorInvalidSymbol, "invalid device symbol"),
    ERROR(cudaErrorInvalidMemcpyDirection, "invalid copy direction for memcpy"),
    ERROR(cudaErrorInsufficientDriver,
          "CUDA driver version is insufficient for CUDA runtime version"),
    ERROR(cudaErrorMissingConfiguration, "__global__ function call is not configured"),
    ERROR(cudaErrorInvalidDeviceFunction, "invalid device function"),
    ERROR(cudaErrorNoDevice, "no CUDA-capable device is detected"),
    ERROR(cudaErrorInvalidDevice, "invalid device ordinal"),
    ERROR(cudaErrorNoKernelImageForDevice,
          "no kernel image is available for execution on the device"),
    ERROR(cudaErrorInvalidResourceHandle, "invalid resource handle"),
    ERROR(cudaErrorIllegalState, "the operation cannot be performed in the present state"),
    ERROR(cudaErrorNotReady, "device not ready"),
    ERROR(cudaErrorIllegalAddress, "an illegal memory access was encountered"),
    ERROR(cudaErrorLaunchOutOfResources, "too many resources requested for launch"),
    ERROR(cudaErrorLaunchTimeout, "the launch timed out and was terminated"),
    ERROR(cudaErrorAssert, "device-side assert triggered"),
    ERROR(cudaErrorHostMemoryAlreadyRegistered,
          "part or all of the requested memory range is already mapped"),
    ERROR(cudaErrorHostMemoryNotRegistered,
          "pointer does not correspond to a registered memory region"),
    ERROR(cudaErrorIllegalInstruction, "an illegal instruction was encountered"),
    ERROR(cudaErrorMisalignedAddress, "misaligned address"),
    ERROR(cudaErrorInvalidAddressSpace, "operation not supported on global/shared address space"),
    ERROR(cudaErrorLaunchFailure, "unspecified launch failure"),
    ERROR(cudaErrorCooperativeLaunchTooLarge, "too many blocks in cooperative launch"),
    ERROR(cudaErrorNotSupported, "operation not supported"),
    ERROR(cudaErrorStreamCaptureUnsupported, "operation not permitted when stream is capturing"),
    ERROR(cudaErrorStreamCaptureInvalidated,
          "operation failed due to a previous error during capture"),
    ERROR(cudaErrorStreamCaptureImplicit,
          "operation would make the legacy stream depend on a capturing blocking stream"),
    ERROR(cudaErrorStreamCaptureUnmatched, "capture was not initiated in this stream"),
    ERROR(cudaErrorGraphExecUpdateFailure,
          "the graph update was not performed because it included changes which violated "
          "constraints specific to instantiated graph update"),
    ERROR(cudaErrorUnknown, "unknown error"),
};
#undef ERROR

}  // namespace

extern "C" {

cudaError_t cudaPeekAtLastError() { return sticky() ? sticky() : last_error; }

cudaError_t cudaGetLastError() {
    const cudaError_t e = cudaPeekAtLastError();
    last_error = cudaSuccess;
    return e;
}

const char* cudaGetErrorString(cudaError_t e) {
    for (const Description& d : kDescriptions)
        if (d.error == e) return d.text;
    return "unrecognized error code";
}

const char* cudaGetErrorName(cudaError_t e) {
    for (const Description& d : kDescriptions)
        if (d.error == e) return d.name;
    return "unrecognized error code";
}

}  // extern "C"
