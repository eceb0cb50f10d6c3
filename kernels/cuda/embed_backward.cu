// From dy [B,L,C]: dpatches (+)= dy[:, P:], dposition [L,C] and dprefix [P,C] (+)= sums over B.
//
// One pass over dy. A thread owns a chunk of V elements of one token and walks down the samples, or
// down a part of them where L * C alone does not fill the device; parts are added in order by a second
// kernel, so the bits depend on the shape alone. Reads dy once, writes dpatches once.
#include "kernels/cuda/chunk.cuh"
#include "kernels/cuda/strided.cuh"
#include "kernels/cuda/workspace.h"
#include "kernels/include/embed.h"

namespace fovea::kernels::cuda {
namespace {

constexpr int kThreads = 256, kDepth = 4;

/// Adds a chunk to p's old values, or replaces them.
template <int V, class G>
__device__ __forceinline__ void give(G* p, const float (&sum)[V], bool accumulate) {
    float out[V] = {};
    if (accumulate) load_chunk<V>(out, p);
#pragma unroll
    for (int e = 0; e < V; ++e) out[e] += sum[e];
    store_chunk<V>(p, out);
}

/// Gradients of what all samples share; null where not wanted. G: F32, or dy's dtype.
template <class G>
struct Shared {
    G *prefix, *position;
    bool add_prefix, add_position;
    Index prefix_size;  ///< P * C

    __device__ bool wants(Index i) const {
        return position != nullptr || (prefix != nullptr && i < prefix_size);
    }
    /// The sums of elements i ... i + V - 1 of [L,C].
    template <int V>
    __device__ void give(Index i, const float (&sum)[V]) const {
        if (position != nullptr) cuda::give<V>(position + i, sum, add_position);
        if (prefix != nullptr && i < prefix_size) cuda::give<V>(prefix + i, sum, add_prefix);
    }
};

/// size: L * C. Grid: chunks of size; parts of the batch. partial [parts, size]: null with one part.
template <int V, class T, class G>
__global__ void __launch_bounds__(kThreads)
    backward_kernel(T* __restrict__ dpatches, bool add_patches, Shared<G> shared, float* partial,
                    const T* __restrict__ dy, Index B, Index part, Index size) {
    const Index i = (static_cast<Index>(blockIdx.x) * kThreads + threadIdx.x) * V;
    if (i >= size) return;
    const bool patch = dpatches != nullptr && i >= shared.prefix_size;
    const bool sums = shared.wants(i);
    if (!patch && !sums) return;
    const Index begin = blockIdx.y * part, end = min(B, begin + part);
    float sum[V] = {};
    for (Index b = begin; b < end; b += kDepth) {
        float value[kDepth][V] = {};
#pragma unroll
        for (int d = 0; d < kDepth; ++d)
            if (b + d < end) load_chunk<V>(value[d], dy + (b + d) * size + i);
#pragma unroll
        for (int e = 0; e < V; ++e)
            sum[e] += (value[0][e] + value[1][e]) + (value[2][e] + value[3][e]);
        if (!patch) continue;
#pragma unroll
        for (int d = 0; d < kDepth; ++d)
            if (b + d < end)
                give<V>(dpatches + (b + d) * (size - shared.prefix_size) + i - shared.prefix_size,
                        value[d], add_patches);
    }
    if (!sums) return;
    if (partial == nullptr)
        shared.template give<V>(i, sum);
    else
        store_chunk<V>(partial + blockIdx.y * size + i, sum);
}

template <class G>
__global__ void __launch_bounds__(kThreads)
    finish_kernel(Shared<G> shared, const float* __restrict__ partial, int parts, Index size) {
    const Index i = static_cast<Index>(blockIdx.x) * kThreads + threadIdx.x;
    if (i >= size || !shared.wants(i)) return;
    float sum[1] = {};
    for (int p = 0; p < parts; ++p) sum[0] += partial[p * size + i];
    shared.template give<1>(i, sum);
}

/// Samples of a part: enough parts to fill a large device, and at least 32 samples each.
Index part_of(Index B, Index threads) {
    constexpr Index kThreadsWanted = 132 * 1024, kLeast = 32;
    const Index parts = std::min(ceil_div(kThreadsWanted, threads), B / kLeast);
    return ceil_div(B, std::max<Index>(1, parts));
}

}  // namespace

void embed_tokens_backward(const Stream& stream, View dpatches, View dprefix, View dposition,
                           CView dy, std::int64_t prefix_tokens, GradMode patches_mode,
                           GradMode prefix_mode, GradMode position_mode) {
    const auto drop_unwanted = [](View& gradient, GradMode mode) {
        if (mode == GradMode::Ignore) gradient = View{};
    };
    drop_unwanted(dpatches, patches_mode);
    drop_unwanted(dprefix, prefix_mode);
    drop_unwanted(dposition, position_mode);
    const Index B = dy.dim(0), C = dy.dim(2), size = dy.dim(1) * C;
    const DType weights = dprefix ? dprefix.dtype : dposition ? dposition.dtype : dy.dtype;

    const auto backward = [&]<class T, class G>(std::type_identity<T>, std::type_identity<G>) {
        const Shared<G> shared{dprefix.as<G>(), dposition.as<G>(),
                               prefix_mode == GradMode::Accumulate,
                               position_mode == GradMode::Accumulate, prefix_tokens * C};
        const bool fits = chunks_fit<T>(C, dpatches.data, dprefix.data, dposition.data, dy.data);
        with_chunk<T>(fits, [&](auto lanes) {
            constexpr int V = lanes.value;
            const Index threads = ceil_div(size, V);
            if (threads == 0) return;
            const Index part = part_of(B, threads), parts = B == 0 ? 1 : ceil_div(B, part);
            float* const partial =
                parts > 1 ? workspace<float>(stream, static_cast<std::size_t>(parts * size))
                          : nullptr;
            launch(stream,
                   {dim3(static_cast<unsigned>(ceil_div(threads, kThreads)),
                         static_cast<unsigned>(parts)),
                    kThreads},
                   backward_kernel<V, T, G>, dpatches.as<T>(), patches_mode == GradMode::Accumulate,
                   shared, partial, dy.as<T>(), B, part, size);
            if (parts > 1)
                launch(stream, {static_cast<unsigned>(ceil_div(size, kThreads)), kThreads},
                       finish_kernel<G>, shared, static_cast<const float*>(partial),
                       static_cast<int>(parts), size);
        });
    };
    with_float(dy.dtype, [&]<class T>(std::type_identity<T> type) {
        if (weights == DType::F32)
            backward(type, std::type_identity<float>{});
        else
            backward(type, type);
    });
}

}  // namespace fovea::kernels::cuda
