// Two devices: what belongs to one must not be used with the other. Run with --devices 2.
#include <sys/wait.h>
#include <unistd.h>

#include "tests/cudaemu/cases/case.h"

namespace {

__global__ void add_one(float* p) { p[threadIdx.x] += 1.0f; }

}  // namespace

CASE(each_thread_has_a_current_device) {
    int count = 0, device = -1, sms = 0;
    CHECK_CUDA(cudaGetDeviceCount(&count));
    EXPECT(count == 2);
    CHECK_CUDA(cudaSetDevice(1));
    CHECK_CUDA(cudaGetDevice(&device));
    EXPECT(device == 1);
    CHECK_CUDA(cudaDeviceGetAttribute(&sms, cudaDevAttrMultiProcessorCount, 1));
    EXPECT(sms > 0);
    cudaDeviceProp p;
    CHECK_CUDA(cudaGetDeviceProperties(&p, 1));
    EXPECT(cudaGetDeviceProperties(&p, 2) == cudaErrorInvalidDevice);
    EXPECT(cudaSetDevice(2) == cudaErrorInvalidDevice);
    EXPECT(cudaSetDevice(-1) == cudaErrorInvalidDevice);
    CHECK_CUDA(cudaGetDevice(&device));
    EXPECT(device == 1);
    cudaGetLastError();
}

CASE(streams_and_memory_belong_to_the_device_that_was_current) {
    for (int d : {0, 1}) {
        CHECK_CUDA(cudaSetDevice(d));
        cudaStream_t stream;
        CHECK_CUDA(cudaStreamCreate(&stream));
        int device = -1;
        CHECK_CUDA(cudaStreamGetDevice(stream, &device));
        EXPECT(device == d);
        float* p = nullptr;
        CHECK_CUDA(cudaMalloc(&p, 32 * sizeof(float)));
        cudaPointerAttributes where;
        CHECK_CUDA(cudaPointerGetAttributes(&where, p));
        EXPECT(where.device == d);
        std::vector<float> host(32, 1.0f);
        // Copies go to any device from any stream.
        CHECK_CUDA(cudaSetDevice(1 - d));
        CHECK_CUDA(cudaMemcpyAsync(p, host.data(), 32 * sizeof(float), cudaMemcpyDefault, stream));
        CHECK_CUDA(cudaSetDevice(d));
        add_one<<<1, 32, 0, stream>>>(p);
        CHECK_CUDA(cudaGetLastError());
        CHECK_CUDA(cudaMemcpyAsync(host.data(), p, 32 * sizeof(float), cudaMemcpyDefault, stream));
        CHECK_CUDA(cudaStreamSynchronize(stream));
        EXPECT(host == std::vector<float>(32, 2.0f));
        CHECK_CUDA(cudaFree(p));
        CHECK_CUDA(cudaStreamDestroy(stream));
    }
}

CASE(a_launch_into_a_stream_of_another_device_is_refused) {
    CHECK_CUDA(cudaSetDevice(1));
    cudaStream_t stream;
    CHECK_CUDA(cudaStreamCreate(&stream));
    float* p = nullptr;
    CHECK_CUDA(cudaMalloc(&p, 32 * sizeof(float)));
    CHECK_CUDA(cudaMemset(p, 0, 32 * sizeof(float)));
    CHECK_CUDA(cudaSetDevice(0));
    add_one<<<1, 32, 0, stream>>>(p);
    EXPECT(cudaGetLastError() == cudaErrorInvalidResourceHandle);
    float host[32] = {1.0f};
    CHECK_CUDA(cudaMemcpy(host, p, sizeof host, cudaMemcpyDefault));
    EXPECT(host[0] == 0.0f);
    cudaEvent_t event;  // of device 0
    CHECK_CUDA(cudaEventCreate(&event));
    EXPECT(cudaEventRecord(event, stream) == cudaErrorInvalidResourceHandle);
    cudaGetLastError();
    CHECK_CUDA(cudaEventRecord(event, nullptr));
    CHECK_CUDA(cudaStreamWaitEvent(stream, event, 0));  // between devices
    CHECK_CUDA(cudaStreamSynchronize(stream));
    CHECK_CUDA(cudaEventDestroy(event));
}

CASE(cuda_does_not_survive_a_fork) {
    CHECK_CUDA(cudaSetDevice(0));
    std::fflush(nullptr);
    const pid_t child = fork();
    if (child == 0) {
        float* p = nullptr;
        int count = 0;
        _exit(cudaMalloc(&p, 4) == cudaErrorInitializationError &&
                      cudaGetDeviceCount(&count) == cudaErrorInitializationError
                  ? 0
                  : 1);
    }
    int status = -1;
    EXPECT(waitpid(child, &status, 0) == child);
    EXPECT(status == 0);
}

// The last one: nothing works after it.
CASE(a_kernel_cannot_touch_another_devices_memory) {
    CHECK_CUDA(cudaSetDevice(0));
    float* p = nullptr;
    CHECK_CUDA(cudaMalloc(&p, 32 * sizeof(float)));
    CHECK_CUDA(cudaMemset(p, 0, 32 * sizeof(float)));
    add_one<<<1, 32>>>(p);
    CHECK_CUDA(cudaDeviceSynchronize());
    CHECK_CUDA(cudaSetDevice(1));
    add_one<<<1, 32>>>(p);
    EXPECT(cudaDeviceSynchronize() == cudaErrorIllegalAddress);
}

int main(int argc, char** argv) { return run_cases(argc, argv); }
