// A large body of code that was not written for the emulator: CUB's block-wide and device-wide
// functions.
#include <algorithm>
#include <cub/cub.cuh>
#include <numeric>

#include "tests/cudaemu/cases/case.h"

constexpr int kCount = 20000, kBlock = 256, kBlocks = 16;

__global__ void reduce_and_scan(const float* a, float* sums, int* scans) {
    using Reduce = cub::BlockReduce<float, kBlock>;
    using Scan = cub::BlockScan<int, kBlock>;
    __shared__ union {
        Reduce::TempStorage reduce;
        Scan::TempStorage scan;
    } storage;
    const int i = blockIdx.x * kBlock + threadIdx.x;
    const float sum = Reduce(storage.reduce).Sum(a[i]);
    if (threadIdx.x == 0) sums[blockIdx.x] = sum;
    __syncthreads();
    int before;
    Scan(storage.scan).ExclusiveSum(int(threadIdx.x % 7), before);
    scans[i] = before;
}

CASE(block_reduce_and_scan) {
    auto a = random_values(kBlocks * kBlock, 3);
    DeviceArray<float> A(a), sums(kBlocks);
    DeviceArray<int> scans(kBlocks * kBlock);
    reduce_and_scan<<<kBlocks, kBlock>>>(A, sums, scans);
    auto sum = sums.get();
    auto scan = scans.get();
    for (int b = 0; b < kBlocks; b++) {
        double x = 0;
        int before = 0;
        for (int t = 0; t < kBlock; t++) {
            x += a[b * kBlock + t];
            EXPECT(scan[b * kBlock + t] == before);
            before += t % 7;
        }
        EXPECT(std::fabs(sum[b] - x) < 1e-3);
    }
}

// CUB's protocol: asked without storage, a function says how much it needs.
template <class F>
void with_storage(F f) {
    size_t bytes = 0;
    CHECK_CUDA(f(nullptr, bytes));
    DeviceArray<char> storage(bytes);
    CHECK_CUDA(f(storage.p, bytes));
}

CASE(device_reduce) {
    auto a = random_values(kCount, 3);
    DeviceArray<float> A(a), sum(1);
    with_storage(
        [&](void* s, size_t& n) { return cub::DeviceReduce::Sum(s, n, A.p, sum.p, kCount); });
    EXPECT(std::fabs(sum.get()[0] - std::accumulate(a.begin(), a.end(), 0.0)) < 1e-2);
}

CASE(device_scan) {
    std::vector<int> v(kCount), expected(kCount);
    for (int i = 0; i < kCount; i++) v[i] = i * 37 % 11;
    std::exclusive_scan(v.begin(), v.end(), expected.begin(), 0);
    DeviceArray<int> V(v), W(kCount);
    with_storage(
        [&](void* s, size_t& n) { return cub::DeviceScan::ExclusiveSum(s, n, V.p, W.p, kCount); });
    EXPECT(W.get() == expected);
}

CASE(radix_sort) {
    auto a = random_values(kCount, 3);
    DeviceArray<float> A(a), B(kCount);
    with_storage(
        [&](void* s, size_t& n) { return cub::DeviceRadixSort::SortKeys(s, n, A.p, B.p, kCount); });
    std::sort(a.begin(), a.end());
    EXPECT(B.get() == a);
}

int main(int argc, char** argv) { return run_cases(argc, argv); }
