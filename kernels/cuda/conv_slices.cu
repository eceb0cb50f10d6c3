// Sums of partial weight gradients of depthwise convolutions: out[i] (+)= sum over p of partials[p, i],
// (count, n) floats. A block owns `columns` neighbouring i; its 256 / columns rows of threads each add
// every (256 / columns)-th partial in order, then the first row adds the rows in order. Reads every
// partial once, coalesced; same bits on every run.
#include "kernels/cuda/conv_slices.h"

#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/numbers.cuh"
#include "kernels/cuda/reduce.cuh"

namespace fovea::kernels::cuda {
namespace {

constexpr int kThreads = 256;

template <class T>
__global__ __launch_bounds__(kThreads) void add_rows(T* __restrict__ out,
                                                     const float* __restrict__ partials,
                                                     Index count, Index n, bool add) {
    __shared__ float sums[kThreads];  // (rows, columns)
    const int columns = static_cast<int>(blockDim.x), rows = static_cast<int>(blockDim.y);
    const int column = static_cast<int>(threadIdx.x), row = static_cast<int>(threadIdx.y);
    const Index i = Index{blockIdx.x} * columns + column;

    float sum = 0.0F;
    if (i < n) {
#pragma unroll 4
        for (Index p = row; p < count; p += rows) sum += partials[p * n + i];
    }
    sums[row * columns + column] = sum;
    __syncthreads();
    if (row > 0 || i >= n) return;
    for (int r = 1; r < rows; ++r) sum += sums[r * columns + column];
    out[i] = from_float<T>(add ? to_float(out[i]) + sum : sum);
}

}  // namespace

void sum_slices(const Stream& stream, View out, const float* partials, std::int64_t count,
                GradMode mode) {
    const Index n = out.numel();
    const unsigned columns = count < 32 ? kThreads : kWarp;
    with_float(out.dtype, [&]<class T>(std::type_identity<T>) {
        launch(
            stream,
            {dim3(static_cast<unsigned>(ceil_div(n, columns))), dim3(columns, kThreads / columns)},
            add_rows<T>, out.as<T>(), partials, count, n, mode == GradMode::Accumulate);
    });
}

}  // namespace fovea::kernels::cuda
