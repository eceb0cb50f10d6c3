// Drop-path: y[b] = residual[b] + x[b] / (1 - p) where site.unit(b) >= p, else residual[b], for the
// samples b of the first axis.
//
// A block takes part of one sample, so it draws once. Reads x of the samples that are kept and the
// residual, where there is one, once; writes y once.
#include "kernels/cuda/global_store.cuh"
#include "kernels/cuda/random.cuh"
#include "kernels/cuda/strided.cuh"
#include "kernels/include/dropout.h"

namespace fovea::kernels::cuda {
namespace {

constexpr int kThreads = 256, kDepth = 2;

/// size: elements of a sample; parts: blocks of a sample.
template <int V, class T>
__global__ void __launch_bounds__(kThreads)
    drop_path_kernel(T* y, const T* x, const T* residual, Index size,
                     const __grid_constant__ Divider parts, std::uint32_t limit, float scale,
                     RandomSite site) {
    const std::uint32_t sample = parts.quotient(blockIdx.x);
    const Index part = blockIdx.x - sample * parts.divisor, base = sample * size;
    const bool keep = bits_of(site, sample) >> 8 >= limit;
    const Index first = (part * kDepth * kThreads + threadIdx.x) * V;
    float out[kDepth][V] = {}, branch[kDepth][V] = {};
#pragma unroll
    for (int d = 0; d < kDepth; ++d) {
        const Index i = first + d * kThreads * V;
        if (i >= size) continue;
        if (residual != nullptr) load_chunk<V>(out[d], residual + base + i);
        if (keep) load_chunk<V>(branch[d], x + base + i);
    }
#pragma unroll
    for (int d = 0; d < kDepth; ++d) {
        const Index i = first + d * kThreads * V;
        if (i >= size) continue;
#pragma unroll
        for (int e = 0; e < V; ++e) out[d][e] += branch[d][e] * scale;
        store_whole_chunk<V>(y + base + i, out[d]);
    }
}

}  // namespace

void drop_path(const Stream& stream, View y, CView x, CView residual, double p,
               const RandomSite& site) {
    if (y.numel() == 0) return;
    const Index samples = y.dim(0), size = y.numel() / samples;
    const float scale = static_cast<float>(1.0 / (1.0 - p));
    with_float(y.dtype, [&]<class T>(std::type_identity<T>) {
        const bool fits = chunks_fit<T>(size, y.data, x.data, residual.data);
        with_chunk<T>(fits, [&](auto lanes) {
            constexpr int V = lanes.value;
            const Index parts = ceil_div(size, kThreads * kDepth * V);
            launch(stream, {static_cast<unsigned>(samples * parts), kThreads},
                   drop_path_kernel<V, T>, y.as<T>(), x.as<T>(), residual.as<T>(), size,
                   Divider(parts), kept_from(p), scale, site);
        });
    });
}

}  // namespace fovea::kernels::cuda
