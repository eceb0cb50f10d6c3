// atom and red: every operation and type that CUDA C++ offers, in global and in shared memory.
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "tests/cudaemu/cases/case.h"

using u64 = unsigned long long;

constexpr int kThreads = 128, kBlocks = 8, kAll = kThreads * kBlocks;

// Each thread applies all operations to one slot each; `t` is its number.
template <class T>
__device__ void apply_integer_operations(T* p, T t) {
    atomicAdd(p++, T(t + 1));
    atomicMin(p++, t);
    atomicMax(p++, t);
    atomicAnd(p++, T(~(T(1) << (t % 20))));
    atomicOr(p++, T(T(1) << (t % 20)));
    atomicXor(p++, t);
    T old = 0, assumed;  // a guess: reading it would be a race
    do {
        assumed = old;
        old = atomicCAS(p, assumed, T(assumed + 2));
    } while (old != assumed);
    atomicExch(p + 1, T(7));
}

template <class T>
std::vector<T> expected_of(const std::vector<T>& start, int threads) {
    std::vector<T> v = start;
    for (int i = 0; i < threads; i++) {
        const T t = T(i);
        v[0] += t + 1;
        v[1] = std::min(v[1], t);
        v[2] = std::max(v[2], t);
        v[3] &= ~(T(1) << (i % 20));
        v[4] |= T(1) << (i % 20);
        v[5] ^= t;
        v[6] += 2;
        v[7] = 7;
    }
    return v;
}

template <class T>
__global__ void in_global(T* p) {
    apply_integer_operations(p, T(blockIdx.x * blockDim.x + threadIdx.x));
}

template <class T>
__global__ void in_shared(const T* start, T* out) {
    __shared__ T s[8];
    if (threadIdx.x < 8) s[threadIdx.x] = start[threadIdx.x];
    __syncthreads();
    apply_integer_operations(s, T(threadIdx.x));
    __syncthreads();
    if (threadIdx.x < 8) out[threadIdx.x] = s[threadIdx.x];
}

template <class T>
void check_integers() {
    const std::vector<T> start = {5, 99, T(-3), T(-1), 0, 17, 1, 0};
    DeviceArray<T> p(start), q(start), out(8);
    in_global<T><<<kBlocks, kThreads>>>(p.p);
    EXPECT(p.get() == expected_of(start, kAll));
    in_shared<T><<<1, kThreads>>>(q.p, out.p);
    EXPECT(out.get() == expected_of(start, kThreads));
}

CASE(u32) { check_integers<unsigned>(); }
CASE(s32) { check_integers<int>(); }
CASE(u64) { check_integers<u64>(); }

__global__ void count(unsigned* p) {
    atomicInc(p, 6);
    atomicDec(p + 1, 6);
}

CASE(inc_and_dec) {
    DeviceArray<unsigned> p(std::vector<unsigned>{0, 0});
    count<<<kBlocks, kThreads>>>(p);
    EXPECT(p.get() == (std::vector<unsigned>{kAll % 7, (7 - kAll % 7) % 7}));
}

__global__ void add_floats(float* f, double* d, __half2* h, __nv_bfloat162* b, __half* one) {
    atomicAdd(f, 0.5f);
    atomicAdd(d, 0.25);
    atomicAdd(h, __floats2half2_rn(1.f, -0.5f));
    atomicAdd(b, __floats2bfloat162_rn(0.5f, 2.f));
    atomicAdd(one, __float2half(0.5f));
}

CASE(floats) {
    DeviceArray<float> F(std::vector<float>{1});
    DeviceArray<double> D(std::vector<double>{2});
    DeviceArray<__half2> H(std::vector<__half2>{__floats2half2_rn(0, 0)});
    DeviceArray<__nv_bfloat162> B(std::vector<__nv_bfloat162>{__floats2bfloat162_rn(0, 0)});
    DeviceArray<__half> one(std::vector<__half>{__float2half(0)});
    add_floats<<<1, kThreads>>>(F, D, H, B, one);
    EXPECT(F.get()[0] == 1 + 0.5f * kThreads);
    EXPECT(D.get()[0] == 2 + 0.25 * kThreads);
    EXPECT(float(H.get()[0].x) == kThreads);
    EXPECT(float(H.get()[0].y) == -0.5f * kThreads);
    EXPECT(float(B.get()[0].x) == 0.5f * kThreads);
    EXPECT(float(B.get()[0].y) == 2.f * kThreads);
    EXPECT(float(one.get()[0]) == 0.5f * kThreads);
}

// Results are not used: red. Of another scope: .cta and .sys.
__global__ void reduce(int* p) {
    atomicAdd_block(p, 1);
    atomicAdd_system(p + 1, 2);
    asm volatile("red.relaxed.gpu.global.max.s32 [%0], %1;" ::"l"(p + 2), "r"(int(threadIdx.x))
                 : "memory");
}

CASE(scopes) {
    DeviceArray<int> p(std::vector<int>{0, 0, -5});
    reduce<<<1, kThreads>>>(p);
    EXPECT(p.get() == (std::vector<int>{kThreads, 2 * kThreads, kThreads - 1}));
}

int main(int argc, char** argv) { return run_cases(argc, argv); }
