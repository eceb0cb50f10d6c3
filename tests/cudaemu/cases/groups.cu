// Threads that work together: shuffles, votes, barriers, cooperative groups.
#include <cooperative_groups.h>

#include <algorithm>

#include "tests/cudaemu/cases/case.h"

namespace cg = cooperative_groups;

__global__ void sum(const float* a, float* out, int n) {
    __shared__ float s[32];
    float v = 0;
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
        v += a[i];
    for (int o = 16; o; o >>= 1) v += __shfl_down_sync(~0u, v, o);
    if (threadIdx.x % 32 == 0) s[threadIdx.x / 32] = v;
    __syncthreads();
    if (threadIdx.x < 32) {
        v = threadIdx.x < blockDim.x / 32 ? s[threadIdx.x] : 0;
        for (int o = 16; o; o >>= 1) v += __shfl_xor_sync(~0u, v, o);
        if (!threadIdx.x) atomicAdd(out, v);
    }
}

CASE(sum_by_shuffles) {
    const int n = 10007;
    auto a = random_values(n);
    DeviceArray<float> A(a), S(1);
    CHECK_CUDA(cudaMemset(S, 0, sizeof(float)));
    sum<<<5, 256>>>(A, S, n);
    double s = 0;
    for (float x : a) s += x;
    EXPECT(std::fabs(S.get()[0] - s) < 1e-2);
}

__global__ void vote(unsigned* out) {
    const int t = threadIdx.x;
    out[t] = __ballot_sync(~0u, t % 3 == 0);
    out[32 + t] = __all_sync(~0u, t < 32) | __any_sync(~0u, t == 40) << 1;
    out[64 + t] = __match_any_sync(~0u, t / 5);
    out[96 + t] = __reduce_add_sync(~0u, t);
    if (t < 16) {
        out[128 + t] = __shfl_sync(0xffffu, t * 10, 3);
    } else {
        out[128 + t] = __shfl_sync(0xffff0000u, t * 10, 20);
    }
}

CASE(vote_match_reduce) {
    DeviceArray<unsigned> out(160);
    vote<<<1, 32>>>(out);
    auto o = out.get();
    for (int t = 0; t < 32; t++) {
        unsigned same = 0;
        for (int k = 0; k < 32; k++) same |= unsigned(k / 5 == t / 5) << k;
        EXPECT(o[t] == 0x49249249u);
        EXPECT(o[32 + t] == 1);
        EXPECT(o[64 + t] == same);
        EXPECT(o[96 + t] == 496);
        EXPECT(o[128 + t] == (t < 16 ? 30u : 200u));
    }
}

// Warps 0 and 1 produce, warps 2 and 3 consume, warp 4 leaves at once.
__global__ void pass_on(int* out, int n) {
    __shared__ int s[2][64];
    const int t = threadIdx.x;
    if (t >= 128) return;
    for (int k = 0; k < n; k++) {
        const int b = k & 1;
        if (t < 64) {
            if (k >= 2) asm volatile("bar.sync %0, 128;" ::"r"(3 + b));
            s[b][t] = k * 100 + t;
            asm volatile("bar.arrive %0, 128;" ::"r"(1 + b) : "memory");
        } else {
            asm volatile("bar.sync %0, 128;" ::"r"(1 + b) : "memory");
            out[k * 64 + t - 64] = s[b][127 - t];
            if (k + 2 < n) asm volatile("bar.arrive %0, 128;" ::"r"(3 + b) : "memory");
        }
    }
}

CASE(named_barriers) {
    const int n = 9;
    DeviceArray<int> out(n * 64);
    pass_on<<<1, 160>>>(out, n);
    auto o = out.get();
    for (int k = 0; k < n; k++)
        for (int i = 0; i < 64; i++) EXPECT(o[k * 64 + i] == k * 100 + 63 - i);
}

__global__ void leave_early(int* out) {
    __shared__ int s[64];
    if (threadIdx.x >= 64) return;
    s[threadIdx.x] = threadIdx.x;
    __syncthreads();
    const int v = s[63 - threadIdx.x];
    const int c = __syncthreads_count(v < 10);
    if ((threadIdx.x & 31) < 12) {
        out[threadIdx.x] = v + c + __reduce_add_sync(__activemask(), 1);
        return;
    }
    __syncwarp(0xfffff000u);
    s[threadIdx.x] = c;
    __syncwarp(0xfffff000u);
    out[threadIdx.x] = s[threadIdx.x ^ 1];
}

CASE(early_exit_and_partial_syncwarp) {
    DeviceArray<int> out(64);
    leave_early<<<1, 96>>>(out);
    auto o = out.get();
    for (int t = 0; t < 64; t++) EXPECT(o[t] == ((t & 31) < 12 ? 63 - t + 10 + 12 : 10));
}

// What barriers and warps can compute on the way.
__global__ void reduce_bits(int* out) {
    const int t = threadIdx.x, v = (t * 37) % 64 - 20;
    int* o = out + 8 * t;
    o[0] = __syncthreads_count(v < 0);
    o[1] = __syncthreads_and(v > -21) * 2 + __syncthreads_or(v == 43);
    o[2] = __reduce_min_sync(~0u, v);
    o[3] = __reduce_max_sync(~0u, v);
    o[4] = int(__reduce_max_sync(~0u, unsigned(v)));
    o[5] = int(__reduce_xor_sync(~0u, unsigned(v)));
    int all;
    o[6] = int(__match_all_sync(~0u, t / 32, &all)) + all;
    o[7] = int(__match_any_sync(~0u, (long long)(t % 4) << 40));
}

CASE(barrier_and_warp_reductions) {
    DeviceArray<int> out(64 * 8);
    reduce_bits<<<1, 64>>>(out);
    auto o = out.get();
    auto value = [](int t) { return (t * 37) % 64 - 20; };
    int negative = 0;
    for (int t = 0; t < 64; t++) negative += value(t) < 0;
    for (int t = 0; t < 64; t++) {
        int low = 1000, high = -1000;
        unsigned top = 0, bits = 0;
        for (int k = t / 32 * 32; k < t / 32 * 32 + 32; k++) {
            low = std::min(low, value(k));
            high = std::max(high, value(k));
            top = std::max(top, unsigned(value(k)));
            bits ^= unsigned(value(k));
        }
        EXPECT(o[8 * t] == negative);
        EXPECT(o[8 * t + 1] == 3);
        EXPECT(o[8 * t + 2] == low);
        EXPECT(o[8 * t + 3] == high);
        EXPECT(unsigned(o[8 * t + 4]) == top);
        EXPECT(unsigned(o[8 * t + 5]) == bits);
        EXPECT(o[8 * t + 6] == -1 + 1);
        EXPECT(unsigned(o[8 * t + 7]) == 0x11111111u << (t % 4));
    }
}

__global__ void use_tiles(int* out) {
    auto block = cg::this_thread_block();
    auto tile = cg::tiled_partition<8>(block);
    int v = threadIdx.x;
    for (int k = tile.size() / 2; k; k /= 2) v += tile.shfl_down(v, k);
    out[threadIdx.x] = tile.shfl(v, 0);
    auto warp = cg::tiled_partition<32>(block);
    const unsigned odd = warp.ballot(threadIdx.x & 1);
    if (warp.any(threadIdx.x == 5)) out[threadIdx.x] += __popc(odd);
    if (threadIdx.x % 3 == 0) out[threadIdx.x] += cg::coalesced_threads().size() * 1000;
}

CASE(cooperative_groups) {
    DeviceArray<int> out(64);
    use_tiles<<<1, 64>>>(out);
    auto o = out.get();
    for (int t = 0; t < 64; t++) {
        int expected = t < 32 ? 16 : 0;
        for (int k = 0; k < 8; k++) expected += t / 8 * 8 + k;
        if (t % 3 == 0) expected += 11 * 1000;
        EXPECT(o[t] == expected);
    }
}

__global__ void sync_grid(int* a, int* out) {
    auto grid = cg::this_grid();
    const int i = grid.thread_rank(), n = grid.size();
    a[i] = i + 1;
    grid.sync();
    int s = 0;
    for (int k = 0; k < n; k += 7) s += a[(k + i) % n];
    grid.sync();
    a[i] = 0;
    grid.sync();
    out[i] = s + a[(i + 5) % n];
}

CASE(grid_sync) {
    const int blocks = 6, threads = 64, n = blocks * threads;
    DeviceArray<int> A(n), out(n);
    int *a = A, *o = out;
    void* args[] = {&a, &o};
    CHECK_CUDA(cudaLaunchCooperativeKernel(reinterpret_cast<void*>(sync_grid), dim3(blocks),
                                           dim3(threads), args, 0, nullptr));
    auto got = out.get();
    for (int i = 0; i < n; i++) {
        int s = 0;
        for (int k = 0; k < n; k += 7) s += (k + i) % n + 1;
        EXPECT(got[i] == s);
    }
}

int main(int argc, char** argv) { return run_cases(argc, argv); }
