// Programs with one bug each. The emulator must report it, or, where the symptom of the bug is a
// wrong result, show one. Each runs in a process of its own: errors of a device stay until the
// process ends.
#include <cassert>

#include "tests/cudaemu/cases/case.h"

struct Bug {
    const char* name;
    const char* report;  // what the emulator says; null: a wrong result
    bool lazy;           // needs streams that run nothing before somebody waits for it
    bool (*run)();       // true: the result is wrong
};

// ---- shared memory ------------------------------------------------------------------------------

__global__ void no_barrier(float* out) {
    __shared__ float s[256];
    s[threadIdx.x] = threadIdx.x;
    out[threadIdx.x] = s[blockDim.x - 1 - threadIdx.x];
}

__global__ void beyond_shared(float* out) {
    __shared__ float s[32];
    s[threadIdx.x + 1] = 1;
    __syncthreads();
    out[threadIdx.x] = s[threadIdx.x];
}

__global__ void half_initialised(float* out) {
    __shared__ float s[64];
    if (threadIdx.x < 32) s[threadIdx.x] = 1;
    __syncthreads();
    out[threadIdx.x] = s[threadIdx.x];
}

__global__ void no_wait_for_copy(const float* in, float* out) {
    __shared__ __align__(16) float s[128];
    asm volatile("cp.async.ca.shared.global [%0], [%1], 16;" ::"r"(
                     static_cast<unsigned>(__cvta_generic_to_shared(&s[threadIdx.x * 4]))),
                 "l"(in + threadIdx.x * 4));
    asm volatile("cp.async.commit_group;");
    __syncwarp();
    for (int i = 0; i < 4; i++) out[threadIdx.x * 4 + i] = s[threadIdx.x * 4 + i];
}

// ---- global memory ------------------------------------------------------------------------------

__global__ void copy(const float* in, float* out) { out[threadIdx.x] = in[threadIdx.x]; }

__global__ void copy_vector(const float* in, float4* out) {
    out[threadIdx.x] = *reinterpret_cast<const float4*>(in + 4 * threadIdx.x);
}

// ---- barriers and assertions --------------------------------------------------------------------

// The lanes that skip the barrier wait for those that wait at it.
__global__ void divergent_barrier(volatile float* out) {
    if (threadIdx.x < 16) {
        __syncthreads();
    } else {
        out[threadIdx.x] = 1;
        while (out[threadIdx.x] == 1) __syncwarp();
    }
    out[threadIdx.x] = 2;
}

__global__ void fail_assertion(int n) { assert(int(threadIdx.x) < n); }

// ---- streams ------------------------------------------------------------------------------------

// One stream writes, another (or the same) reads back to pinned memory.
bool reads_too_early(bool same_stream, bool wait) {
    DeviceArray<float> in(std::vector<float>(32, 1.f)), out(std::vector<float>(32));
    float* host = nullptr;
    cudaStream_t writer, reader;
    CHECK_CUDA(cudaMallocHost(&host, 32 * sizeof(float)));
    CHECK_CUDA(cudaStreamCreateWithFlags(&writer, cudaStreamNonBlocking));
    CHECK_CUDA(cudaStreamCreateWithFlags(&reader, cudaStreamNonBlocking));
    copy<<<1, 32, 0, writer>>>(in, out);
    const cudaStream_t s = same_stream ? writer : reader;
    CHECK_CUDA(cudaMemcpyAsync(host, out, 32 * sizeof(float), cudaMemcpyDeviceToHost, s));
    if (wait) CHECK_CUDA(cudaStreamSynchronize(s));
    const bool wrong = host[3] != 1;
    CHECK_CUDA(cudaDeviceSynchronize());
    return wrong;
}

const Bug kBugs[] = {
    {"race", "race", false,
     [] {
         DeviceArray<float> out(256);
         no_barrier<<<1, 256>>>(out);
         return false;
     }},
    {"race_in_a_warp", "race", false,
     [] {
         DeviceArray<float> out(32);
         no_barrier<<<1, 32>>>(out);
         return false;
     }},
    {"read_out_of_bounds", "out-of-bounds global read", false,
     [] {
         DeviceArray<float> in(16), out(32);
         copy<<<1, 32>>>(in, out);
         return false;
     }},
    {"write_out_of_bounds", "out-of-bounds global write", false,
     [] {
         DeviceArray<float> in(32), out(16);
         copy<<<1, 32>>>(in, out);
         return false;
     }},
    {"shared_out_of_bounds", "out-of-bounds shared", false,
     [] {
         DeviceArray<float> out(32);
         beyond_shared<<<1, 32>>>(out);
         return false;
     }},
    {"misaligned", "misaligned", false,
     [] {
         DeviceArray<float> in(160), out(128);
         copy_vector<<<1, 32>>>(in.p + 1, reinterpret_cast<float4*>(out.p));
         return false;
     }},
    {"use_after_free", "freed", false,
     [] {
         DeviceArray<float> out(32);
         float* in = nullptr;
         CHECK_CUDA(cudaMalloc(&in, 32 * sizeof(float)));
         CHECK_CUDA(cudaFree(in));
         copy<<<1, 32>>>(in, out);
         return false;
     }},
    {"no_wait_for_cp_async", "cp.async", false,
     [] {
         DeviceArray<float> in(128), out(128);
         no_wait_for_copy<<<1, 32>>>(in, out);
         return false;
     }},
    {"uninitialised", nullptr, false,
     [] {
         DeviceArray<float> out(64);
         half_initialised<<<1, 64>>>(out);
         return out.get()[40] != 1;
     }},
    {"divergent_barrier", "deadlock", false,
     [] {
         DeviceArray<float> out(32);
         divergent_barrier<<<1, 32>>>(out);
         return false;
     }},
    {"assertion", "assertion failed", false,
     [] {
         fail_assertion<<<1, 32>>>(20);
         return false;
     }},
    {"too_many_threads", "exceed 1024", false,
     [] {
         DeviceArray<float> in(1025), out(1025);
         copy<<<1, 1025>>>(in, out);
         return false;
     }},
    {"no_synchronisation", nullptr, true, [] { return reads_too_early(true, false); }},
    {"no_event", nullptr, true, [] { return reads_too_early(false, true); }},
};

/// Exit status 1 if the bug showed, so that the parent can tell it from a crash.
int run_bug(const Bug& bug) {
    const bool wrong = bug.run();
    cudaError_t error = cudaGetLastError();
    if (error == cudaSuccess) error = cudaDeviceSynchronize();
    return bug.report ? error != cudaSuccess : wrong;
}

bool is_found(const char* program, const Bug& bug) {
    setenv("CUDAEMU_LAZY", bug.lazy ? "1" : "0", 1);
    std::FILE* child = popen((std::string(program) + " " + bug.name + " 2>&1").c_str(), "r");
    std::string said;
    for (int c; (c = std::fgetc(child)) != EOF;) said += char(c);
    const bool showed = pclose(child) >> 8 == 1;
    if (showed && (!bug.report || said.find(bug.report) != std::string::npos)) return true;
    std::printf("%s\n", said.c_str());
    return false;
}

int main(int argc, char** argv) {
    if (argc > 1) {
        for (const Bug& bug : kBugs)
            if (std::string(argv[1]) == bug.name) return run_bug(bug);
        return 2;
    }
    int failed = 0;
    for (const Bug& bug : kBugs) {
        const bool found = is_found(argv[0], bug);
        std::printf("%s %s\n", found ? "PASS" : "FAIL", bug.name);
        failed += !found;
    }
    return failed != 0;
}
