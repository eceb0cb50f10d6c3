// Whole tensors to one number: sum_of_squares (F64, for the gradient norm) and count_nonfinite (I64).
//
// Stage 1: a number of blocks that depends on the size alone, each with a partial result in double or
// in 64-bit integers. Stage 2: one block adds those, in order. Reads x once.
#include "kernels/cuda/chunk.cuh"
#include "kernels/cuda/reduce.cuh"
#include "kernels/cuda/workspace.h"
#include "kernels/include/reduce.h"

namespace fovea::kernels::cuda {
namespace {

constexpr int kThreads = 256, kDepth = 4;
constexpr Index kMostBlocks = 132 * 8;

struct SquareOf {
    using Result = double;
    __device__ double operator()(float x) const {
        const double value = static_cast<double>(x);
        return value * value;
    }
};

struct IsNonfinite {
    using Result = std::int64_t;
    __device__ std::int64_t operator()(float x) const {
        return (__float_as_uint(x) & 0x7F800000U) == 0x7F800000U ? 1 : 0;
    }
};

template <int V, class Term, class T>
__global__ void __launch_bounds__(kThreads)
    partial_kernel(typename Term::Result* partial, const T* __restrict__ x, Index n) {
    using Result = typename Term::Result;
    __shared__ Result scratch[kThreads / kWarp];
    const Index thread = static_cast<Index>(blockIdx.x) * kThreads + threadIdx.x;
    const Index step = static_cast<Index>(gridDim.x) * kThreads, chunks = n / V;
    Result sum{};
    for (Index i = thread; i < chunks; i += kDepth * step) {
        float value[kDepth][V] = {};
#pragma unroll
        for (int d = 0; d < kDepth; ++d)
            if (i + d * step < chunks) load_chunk<V>(value[d], x + (i + d * step) * V);
#pragma unroll
        for (int d = 0; d < kDepth; ++d)
#pragma unroll
            for (int e = 0; e < V; ++e) sum += Term{}(value[d][e]);
    }
    const Index rest = chunks * V + thread;
    if (V > 1 && rest < n) sum += Term{}(to_float(x[rest]));
    sum = block_reduce<kThreads>(sum, scratch);
    if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

template <class Result>
__global__ void __launch_bounds__(kThreads)
    total_kernel(Result* out, const Result* __restrict__ partial, int count) {
    __shared__ Result scratch[kThreads / kWarp];
    Result sum{};
    for (int i = static_cast<int>(threadIdx.x); i < count; i += kThreads) sum += partial[i];
    sum = block_reduce<kThreads>(sum, scratch);
    if (threadIdx.x == 0) *out = sum;
}

template <class Term>
void total(const Stream& stream, View out, CView x) {
    using Result = typename Term::Result;
    const Index n = x.numel();
    with_float(x.dtype, [&]<class T>(std::type_identity<T>) {
        with_chunk<T>(aligned16(x.data), [&](auto lanes) {
            constexpr int V = lanes.value;
            const Index blocks = std::clamp<Index>(n / (kThreads * kDepth * V), 1, kMostBlocks);
            auto* const partial = workspace<Result>(stream, static_cast<std::size_t>(blocks));
            launch(stream, {static_cast<unsigned>(blocks), kThreads}, partial_kernel<V, Term, T>,
                   partial, x.as<T>(), n);
            launch(stream, {1, kThreads}, total_kernel<Result>, out.as<Result>(),
                   static_cast<const Result*>(partial), static_cast<int>(blocks));
        });
    });
}

}  // namespace

void sum_of_squares(const Stream& stream, View out, CView x) { total<SquareOf>(stream, out, x); }

void count_nonfinite(const Stream& stream, View out, CView x) {
    total<IsNonfinite>(stream, out, x);
}

}  // namespace fovea::kernels::cuda
