// Ordered sums of partials [parts, 2, columns]: 16 threads share a column, each adds up a run of
// neighbouring parts in order, then one adds up the 16. A few hundred parts of a few thousand columns:
// a hundredth of the bytes of the first stage, still in the L2 cache.
#include "kernels/cuda/partial_sums.h"

#include "kernels/cuda/reduce.cuh"

namespace fovea::kernels::cuda {
namespace {

constexpr int kRuns = 16, kThreads = kRuns * kWarp;

__global__ void __launch_bounds__(kThreads)
    add_up(float* __restrict__ first, float* __restrict__ second, float* __restrict__ bare,
           const float* __restrict__ partials, Index parts, Index columns, bool accumulate) {
    __shared__ float sums[kRuns][kWarp];
    const Index column = static_cast<Index>(blockIdx.x) * kWarp + threadIdx.x;
    float* const out = blockIdx.y == 0 ? first : second;

    const Index run = (parts + kRuns - 1) / kRuns;
    const Index begin = run * threadIdx.y, end = min(begin + run, parts);
    float sum = 0.0f;
    if (column < columns) {
        const float* p = partials + blockIdx.y * columns + column;
#pragma unroll 4
        for (Index i = begin; i < end; ++i) sum += p[i * 2 * columns];
    }
    sums[threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.y != 0 || column >= columns) return;
    sum = sums[0][threadIdx.x];
#pragma unroll
    for (int r = 1; r < kRuns; ++r) sum += sums[r][threadIdx.x];
    if (bare != nullptr) bare[blockIdx.y * columns + column] = sum;
    if (out != nullptr) out[column] = accumulate ? out[column] + sum : sum;
}

}  // namespace

void sum_partials(const Stream& stream, float* first, float* second, const float* partials,
                  Index parts, Index columns, GradMode mode, float* sums) {
    if (mode == GradMode::Ignore) first = second = nullptr;
    const dim3 grid(static_cast<unsigned>(ceil_div(columns, kWarp)), 2);
    launch(stream, {grid, dim3(kWarp, kRuns)}, add_up, first, second, sums, partials, parts,
           columns, mode == GradMode::Accumulate);
}

}  // namespace fovea::kernels::cuda
