// From dy [B,L,C]: dpatches (+)= dy[:, P:], dposition [L,C] and dprefix [P,C] (+)= sums over B.
//
// One pass over dy. A thread owns a chunk of V elements of one token and walks down the samples, or
// down a part of them where L * C alone does not fill the device; parts are added in order by a second
// kernel, so the bits depend on the shape alone. Reads dy once, writes dpatches once.
#include "kernels/cuda/lane_pairs.cuh"
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

/// The same in all lanes of a warp together, for chunks that begin in front of `end`.
template <int V, class G>
__device__ __forceinline__ void give_together(G* p, Index at, Index end, const float (&sum)[V],
                                              bool accumulate) {
    float out[V] = {};
    if (accumulate) load_together<V>(out, p, at, end);
#pragma unroll
    for (int e = 0; e < V; ++e) out[e] += sum[e];
    store_together<V>(p, at, end, out);
}

/// Gradients of what all samples share; null where not wanted. G: F32, or dy's dtype.
template <class G>
struct Shared {
    G *prefix, *position;
    bool add_prefix, add_position;
    Index prefix_size;  ///< P * C

    /// Of the size elements of a sample, those with i < end(size) are added up.
    __device__ Index end(Index size) const {
        return position != nullptr ? size : prefix != nullptr ? prefix_size : 0;
    }
    /// The sums of elements i ... i + V - 1 of [L,C], of `size` elements, in all lanes together.
    template <int V>
    __device__ void give(Index i, Index size, const float (&sum)[V]) const {
        if (position != nullptr) give_together<V>(position, i, size, sum, add_position);
        if (prefix != nullptr) give_together<V>(prefix, i, prefix_size, sum, add_prefix);
    }
};

/// size: L * C. Grid: chunks of size; parts of the batch. partial [parts, size]: null with one part.
template <int V, class T, class G>
__global__ void __launch_bounds__(kThreads)
    backward_kernel(T* __restrict__ dpatches, bool add_patches, Shared<G> shared, float* partial,
                    const T* __restrict__ dy, Index B, Index part, Index size) {
    const Index i = (static_cast<Index>(blockIdx.x) * kThreads + threadIdx.x) * V;
    const bool patch = i < size && dpatches != nullptr && i >= shared.prefix_size;
    const bool sums = i < shared.end(size);
    const Index begin = blockIdx.y * part, end = min(B, begin + part);
    float sum[V] = {};
    // A lane without work stays, because the others give their sums together with it.
    for (Index b = begin; b < end && (patch || sums); b += kDepth) {
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
    if (partial == nullptr)
        shared.template give<V>(i, size, sum);
    else
        store_together<V>(partial + blockIdx.y * size, i, shared.end(size), sum);
}

template <class G>
__global__ void __launch_bounds__(kThreads)
    finish_kernel(Shared<G> shared, const float* __restrict__ partial, int parts, Index size) {
    const Index i = static_cast<Index>(blockIdx.x) * kThreads + threadIdx.x;
    if (i >= shared.end(size)) return;
    float sum[1] = {};
    for (int p = 0; p < parts; ++p) sum[0] += partial[p * size + i];
    shared.template give<1>(i, size, sum);
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
