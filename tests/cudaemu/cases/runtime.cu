// The runtime library: memory, streams, events, graphs, queries, errors.
#include <numeric>

#include "tests/cudaemu/cases/case.h"

__global__ void scale(float* a, float k, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) a[i] *= k;
}

__global__ void reverse(float* out) {
    extern __shared__ float s[];
    s[threadIdx.x] = threadIdx.x;
    __syncthreads();
    out[threadIdx.x] = s[blockDim.x - 1 - threadIdx.x];
}

constexpr int kCount = 1000;

CASE(pinned_memory_and_a_copy_stream) {
    float *host = nullptr, *back = nullptr;
    CHECK_CUDA(cudaMallocHost(&host, kCount * sizeof(float)));
    CHECK_CUDA(cudaHostAlloc(&back, kCount * sizeof(float), cudaHostAllocDefault));
    std::iota(host, host + kCount, 0.f);
    std::fill_n(back, kCount, -1.f);
    DeviceArray<float> A(kCount);
    cudaStream_t copy, compute;
    CHECK_CUDA(cudaStreamCreateWithFlags(&copy, cudaStreamNonBlocking));
    CHECK_CUDA(cudaStreamCreateWithPriority(&compute, cudaStreamNonBlocking, -1));
    cudaEvent_t there, done;
    CHECK_CUDA(cudaEventCreateWithFlags(&there, cudaEventDisableTiming));
    CHECK_CUDA(cudaEventCreateWithFlags(&done, cudaEventDisableTiming));

    CHECK_CUDA(cudaMemcpyAsync(A, host, kCount * sizeof(float), cudaMemcpyHostToDevice, copy));
    CHECK_CUDA(cudaEventRecord(there, copy));
    CHECK_CUDA(cudaStreamWaitEvent(compute, there, 0));
    scale<<<4, 256, 0, compute>>>(A, 2.f, kCount);
    CHECK_CUDA(cudaEventRecord(done, compute));
    CHECK_CUDA(cudaStreamWaitEvent(copy, done, 0));
    CHECK_CUDA(cudaMemcpyAsync(back, A, kCount * sizeof(float), cudaMemcpyDeviceToHost, copy));
    CHECK_CUDA(cudaStreamSynchronize(copy));
    for (int i = 0; i < kCount; i++) EXPECT(back[i] == 2.f * float(i));
    EXPECT(cudaStreamQuery(copy) == cudaSuccess);
    EXPECT(cudaEventQuery(done) == cudaSuccess);
    float ms = 0;
    EXPECT(cudaEventElapsedTime(&ms, there, done) == cudaErrorInvalidResourceHandle);  // untimed
    EXPECT(cudaGetLastError() == cudaErrorInvalidResourceHandle);

    CHECK_CUDA(cudaEventDestroy(there));
    CHECK_CUDA(cudaEventDestroy(done));
    CHECK_CUDA(cudaStreamDestroy(copy));
    CHECK_CUDA(cudaStreamDestroy(compute));
    CHECK_CUDA(cudaFreeHost(host));
    CHECK_CUDA(cudaFreeHost(back));
}

CASE(event_times) {
    DeviceArray<float> A(kCount);
    cudaEvent_t begin, end;
    CHECK_CUDA(cudaEventCreate(&begin));
    CHECK_CUDA(cudaEventCreate(&end));
    CHECK_CUDA(cudaEventRecord(begin));
    scale<<<4, 256>>>(A, 2.f, kCount);
    CHECK_CUDA(cudaEventRecord(end));
    CHECK_CUDA(cudaEventSynchronize(end));
    float ms = -1;
    CHECK_CUDA(cudaEventElapsedTime(&ms, begin, end));
    EXPECT(ms > 0);
    CHECK_CUDA(cudaEventDestroy(begin));
    CHECK_CUDA(cudaEventDestroy(end));
}

// Captured: copy in, scale, a fork to another stream and back, copy out. Launched twice.
CASE(captured_graph) {
    std::vector<float> in(kCount, 1.f), out(kCount);
    DeviceArray<float> A(kCount);
    cudaStream_t s, side;
    cudaEvent_t fork, join;
    CHECK_CUDA(cudaStreamCreate(&s));
    CHECK_CUDA(cudaStreamCreateWithFlags(&side, cudaStreamNonBlocking));
    CHECK_CUDA(cudaEventCreate(&fork));
    CHECK_CUDA(cudaEventCreate(&join));

    CHECK_CUDA(cudaStreamBeginCapture(s, cudaStreamCaptureModeGlobal));
    CHECK_CUDA(cudaMemcpyAsync(A, in.data(), kCount * sizeof(float), cudaMemcpyHostToDevice, s));
    scale<<<4, 256, 0, s>>>(A, 3.f, kCount);
    CHECK_CUDA(cudaEventRecord(fork, s));
    CHECK_CUDA(cudaStreamWaitEvent(side, fork, 0));
    scale<<<4, 256, 0, side>>>(A, 5.f, kCount);
    CHECK_CUDA(cudaEventRecord(join, side));
    CHECK_CUDA(cudaStreamWaitEvent(s, join, 0));
    CHECK_CUDA(cudaMemcpyAsync(out.data(), A, kCount * sizeof(float), cudaMemcpyDeviceToHost, s));
    cudaGraph_t graph;
    CHECK_CUDA(cudaStreamEndCapture(s, &graph));
    EXPECT(out[0] == 0);  // recorded, not run
    size_t nodes = 0;
    CHECK_CUDA(cudaGraphGetNodes(graph, nullptr, &nodes));
    EXPECT(nodes == 4);

    cudaGraphExec_t ready;
    CHECK_CUDA(cudaGraphInstantiate(&ready, graph, 0));
    CHECK_CUDA(cudaGraphLaunch(ready, s));
    CHECK_CUDA(cudaStreamSynchronize(s));
    EXPECT(out[0] == 15);
    in.assign(kCount, 2.f);
    CHECK_CUDA(cudaGraphLaunch(ready, s));
    CHECK_CUDA(cudaStreamSynchronize(s));
    EXPECT(out[kCount - 1] == 30);
    CHECK_CUDA(cudaGraphExecDestroy(ready));
    CHECK_CUDA(cudaGraphDestroy(graph));
    CHECK_CUDA(cudaEventDestroy(fork));
    CHECK_CUDA(cudaEventDestroy(join));
    CHECK_CUDA(cudaStreamDestroy(s));
    CHECK_CUDA(cudaStreamDestroy(side));
}

CASE(stream_ordered_memory) {
    cudaStream_t s;
    CHECK_CUDA(cudaStreamCreate(&s));
    float* p = nullptr;
    CHECK_CUDA(cudaMallocAsync(&p, kCount * sizeof(float), s));
    CHECK_CUDA(cudaMemsetAsync(p, 0, kCount * sizeof(float), s));
    float first = -1;
    CHECK_CUDA(cudaMemcpyAsync(&first, p, sizeof(float), cudaMemcpyDeviceToHost, s));
    CHECK_CUDA(cudaFreeAsync(p, s));
    CHECK_CUDA(cudaStreamSynchronize(s));
    EXPECT(first == 0);
    CHECK_CUDA(cudaStreamDestroy(s));
}

CASE(host_function_runs_in_stream_order) {
    cudaStream_t s;
    CHECK_CUDA(cudaStreamCreate(&s));
    float* a = nullptr;
    CHECK_CUDA(cudaMallocManaged(&a, sizeof(float)));
    *a = 3;
    scale<<<1, 1, 0, s>>>(a, 2.f, 1);
    CHECK_CUDA(cudaLaunchHostFunc(
        s, [](void* p) { *static_cast<float*>(p) += 1; }, a));
    scale<<<1, 1, 0, s>>>(a, 10.f, 1);
    CHECK_CUDA(cudaStreamSynchronize(s));
    EXPECT(*a == 70);
    CHECK_CUDA(cudaFree(a));
    CHECK_CUDA(cudaStreamDestroy(s));
}

CASE(copies_with_a_pitch) {
    const size_t width = 5 * sizeof(float), rows = 4;
    auto in = random_values(20);
    float* p = nullptr;
    size_t pitch = 0;
    CHECK_CUDA(cudaMallocPitch(&p, &pitch, width, rows));
    EXPECT(pitch >= width);
    CHECK_CUDA(cudaMemcpy2D(p, pitch, in.data(), width, width, rows, cudaMemcpyHostToDevice));
    std::vector<float> out(20);
    CHECK_CUDA(cudaMemcpy2D(out.data(), width, p, pitch, width, rows, cudaMemcpyDeviceToHost));
    EXPECT(in == out);
    CHECK_CUDA(cudaFree(p));
}

CASE(device_queries) {
    int count = 0, device = -1, driver = 0, runtime = 0;
    CHECK_CUDA(cudaGetDeviceCount(&count));
    CHECK_CUDA(cudaSetDevice(0));
    CHECK_CUDA(cudaGetDevice(&device));
    CHECK_CUDA(cudaDriverGetVersion(&driver));
    CHECK_CUDA(cudaRuntimeGetVersion(&runtime));
    EXPECT(count == 1);
    EXPECT(device == 0);
    EXPECT(driver >= runtime);
    EXPECT(runtime / 1000 == CUDART_VERSION / 1000);

    cudaDeviceProp p;
    CHECK_CUDA(cudaGetDeviceProperties(&p, 0));
    EXPECT(p.multiProcessorCount == 132);
    EXPECT(p.major == 9);
    EXPECT(p.warpSize == 32);
    int sms = 0, clock = 0, shared = 0;
    CHECK_CUDA(cudaDeviceGetAttribute(&sms, cudaDevAttrMultiProcessorCount, 0));
    CHECK_CUDA(cudaDeviceGetAttribute(&clock, cudaDevAttrClockRate, 0));
    CHECK_CUDA(cudaDeviceGetAttribute(&shared, cudaDevAttrMaxSharedMemoryPerBlockOptin, 0));
    EXPECT(sms == p.multiProcessorCount);
    EXPECT(clock > 0);
    EXPECT(size_t(shared) == p.sharedMemPerBlockOptin);
    EXPECT(cudaSetDevice(1) == cudaErrorInvalidDevice);
    EXPECT(cudaGetLastError() == cudaErrorInvalidDevice);
}

CASE(memory_queries) {
    size_t before = 0, after = 0, total = 0;
    CHECK_CUDA(cudaMemGetInfo(&before, &total));
    EXPECT(before <= total);
    DeviceArray<float> A(1 << 20);
    CHECK_CUDA(cudaMemGetInfo(&after, &total));
    EXPECT(before - after == A.n * sizeof(float));

    cudaPointerAttributes where;
    CHECK_CUDA(cudaPointerGetAttributes(&where, A.p));
    EXPECT(where.type == cudaMemoryTypeDevice);
    std::vector<float> host(8);
    CHECK_CUDA(cudaPointerGetAttributes(&where, host.data()));
    EXPECT(where.type == cudaMemoryTypeUnregistered);
    CHECK_CUDA(cudaHostRegister(host.data(), host.size() * sizeof(float), 0));
    CHECK_CUDA(cudaPointerGetAttributes(&where, host.data()));
    EXPECT(where.type == cudaMemoryTypeHost);
    CHECK_CUDA(cudaHostUnregister(host.data()));

    float* p = nullptr;
    EXPECT(cudaMalloc(&p, total + 1) == cudaErrorMemoryAllocation);
    EXPECT(cudaGetLastError() == cudaErrorMemoryAllocation);
}

CASE(kernel_queries) {
    int blocks = 0;
    CHECK_CUDA(cudaFuncSetAttribute(reverse, cudaFuncAttributeMaxDynamicSharedMemorySize, 100000));
    CHECK_CUDA(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, reverse, 256, 100000));
    EXPECT(blocks == 2);  // by shared memory: 228 KiB per multiprocessor
    int grid = 0, block = 0;
    CHECK_CUDA(cudaOccupancyMaxPotentialBlockSize(&grid, &block, scale, 0, 0));
    EXPECT(grid > 0);
    EXPECT(block > 0);
    cudaFuncAttributes attributes;
    CHECK_CUDA(cudaFuncGetAttributes(&attributes, reverse));
    EXPECT(attributes.maxDynamicSharedSizeBytes == 100000);
    EXPECT(attributes.maxThreadsPerBlock == 1024);
    EXPECT(cudaFuncSetAttribute(reverse, cudaFuncAttributeMaxDynamicSharedMemorySize, 300000) ==
           cudaErrorInvalidValue);
    EXPECT(cudaGetLastError() == cudaErrorInvalidValue);
}

CASE(launch_errors) {
    scale<<<1, 2048>>>(nullptr, 1, 1);
    EXPECT(cudaPeekAtLastError() == cudaErrorInvalidConfiguration);
    EXPECT(cudaGetLastError() == cudaErrorInvalidConfiguration);
    reverse<<<1, 32, 300000>>>(nullptr);
    EXPECT(cudaGetLastError() == cudaErrorInvalidValue);
    EXPECT(cudaGetLastError() == cudaSuccess);
    EXPECT(std::string(cudaGetErrorName(cudaErrorInvalidValue)) == "cudaErrorInvalidValue");
    EXPECT(std::string(cudaGetErrorString(cudaErrorInvalidValue)) == "invalid argument");
}

int main(int argc, char** argv) { return run_cases(argc, argv); }
