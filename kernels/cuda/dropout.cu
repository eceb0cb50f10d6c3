// Dropout: y[i] = x[i] / (1 - p) where site.unit(i) >= p, else 0.
//
// A thread takes one chunk of 16 bytes, and with it whole Philox blocks of 4 numbers: one for 4 floats,
// two for 8 bfloat16. The mask depends on the element's number alone. Reads x once, writes y once.
#include "kernels/include/dropout.h"

#include "kernels/cuda/chunk.cuh"
#include "kernels/cuda/random.cuh"

namespace fovea::kernels::cuda {
namespace {

constexpr int kThreads = 256;

/// Aligned: x and y are, to 16 bytes.
template <bool Aligned, class T>
__global__ void __launch_bounds__(kThreads)
    dropout_kernel(T* y, const T* x, Index n, std::uint32_t limit, float scale, RandomSite site) {
    constexpr int V = kLanes<T>;
    for (Index i = (static_cast<Index>(blockIdx.x) * kThreads + threadIdx.x) * V; i < n;
         i += static_cast<Index>(gridDim.x) * kThreads * V) {
        const bool whole = Aligned && i + V <= n;
        float value[V];
        if (whole)
            load<V>(value, x + i);
        else
#pragma unroll
            for (int e = 0; e < V; ++e) value[e] = i + e < n ? to_float(x[i + e]) : 0.0F;
#pragma unroll
        for (int block = 0; block < V / 4; ++block) {
            const Philox4 random = site.bits(static_cast<std::uint64_t>(i / 4 + block));
#pragma unroll
            for (int e = 0; e < 4; ++e) {
                float& v = value[block * 4 + e];
                v = random.v[e] >> 8 >= limit ? v * scale : 0.0F;
            }
        }
        if (whole)
            store<V>(y + i, value);
        else
#pragma unroll
            for (int e = 0; e < V; ++e)
                if (i + e < n) y[i + e] = from_float<T>(value[e]);
    }
}

}  // namespace

void dropout(const Stream& stream, View y, CView x, double p, const RandomSite& site) {
    const float scale = static_cast<float>(1.0 / (1.0 - p));
    with_float(y.dtype, [&]<class T>(std::type_identity<T>) {
        with_bool(aligned16(y.data) && aligned16(x.data), [&](auto aligned) {
            launch(stream, {grid_for(y.numel(), kThreads * kLanes<T>), kThreads},
                   dropout_kernel<aligned.value, T>, y.as<T>(), x.as<T>(), y.numel(), kept_from(p),
                   scale, site);
        });
    });
}

}  // namespace fovea::kernels::cuda
