// y [B,L,C] = concat(prefix [P,C], patches [B,N,C]) + position [L,C], L = P + N.
//
// A thread owns a chunk of V elements of one token in 16 samples: it reads position and prefix once for
// them, so that those, which every sample needs, cost a sixteenth of a read of y. Reads the patches once,
// writes y once.
#include "kernels/cuda/global_store.cuh"
#include "kernels/cuda/lane_pairs.cuh"
#include "kernels/cuda/strided.cuh"
#include "kernels/include/embed.h"

namespace fovea::kernels::cuda {
namespace {

constexpr int kThreads = 256, kSamples = 16, kDepth = 4;

/// W: dtype of prefix and position. items: chunks of L * C. Grid: items; groups of samples.
template <int V, class T, class W>
__global__ void __launch_bounds__(kThreads)
    forward_kernel(T* __restrict__ y, const T* __restrict__ patches, const W* __restrict__ prefix,
                   const W* __restrict__ position, Index B, Index P, Index L, Index C,
                   const __grid_constant__ Divider token_chunks, Index items) {
    const Index first = static_cast<Index>(blockIdx.x) * kThreads, item = first + threadIdx.x;
    float constant[V] = {};
    if (position != nullptr) load_together<V>(constant, position, item * V, items * V);
    if (first * V < P * C) {  // the block has prefix tokens
        float own[V];
        load_together<V>(own, prefix, item * V, P * C);
#pragma unroll
        for (int e = 0; e < V; ++e) constant[e] += own[e];
    }
    if (item >= items) return;
    const Index token = token_chunks.quotient(static_cast<std::uint32_t>(item));
    const Index begin = static_cast<Index>(blockIdx.y) * kSamples, end = min(B, begin + kSamples);
    for (Index b = begin; b < end; b += kDepth) {
        float value[kDepth][V] = {};
        if (token >= P)
#pragma unroll
            for (int d = 0; d < kDepth; ++d)
                if (b + d < end)
                    load_chunk<V>(value[d], patches + (b + d) * (L - P) * C - P * C + item * V);
#pragma unroll
        for (int d = 0; d < kDepth; ++d) {
            if (b + d >= end) continue;
#pragma unroll
            for (int e = 0; e < V; ++e) value[d][e] += constant[e];
            store_whole_chunk<V>(y + (b + d) * L * C + item * V, value[d]);
        }
    }
}

}  // namespace

void embed_tokens_forward(const Stream& stream, View y, CView patches, CView prefix,
                          CView position) {
    if (y.numel() == 0) return;
    const Index B = y.dim(0), L = y.dim(1), C = y.dim(2), P = L - patches.dim(1);
    const DType weights = prefix ? prefix.dtype : position ? position.dtype : y.dtype;
    const auto forward = [&]<class T, class W>(std::type_identity<T>, std::type_identity<W>) {
        const bool fits = chunks_fit<T>(C, y.data, patches.data, prefix.data, position.data);
        with_chunk<T>(fits, [&](auto lanes) {
            constexpr int V = lanes.value;
            const Index items = L * C / V;
            launch(stream,
                   {dim3(static_cast<unsigned>(ceil_div(items, kThreads)),
                         static_cast<unsigned>(ceil_div(B, kSamples))),
                    kThreads},
                   forward_kernel<V, T, W>, y.as<T>(), patches.as<T>(), prefix.as<W>(),
                   position.as<W>(), B, P, L, C, Divider(C / V), items);
        });
    };
    with_float(y.dtype, [&]<class T>(std::type_identity<T> type) {
        if (weights == DType::F32)
            forward(type, std::type_identity<float>{});
        else
            forward(type, type);
    });
}

}  // namespace fovea::kernels::cuda
