// Attention on CUDA cores, backward: dq, dk, dv from dout, o, lse and q, k, v, all [B,T,H,D] but lse
// [B,H,Tq]. Scores are computed again; see attention_backward.cuh for the formulas.
//
// Up to 64 queries and keys: a block owns a (batch, head); every tensor is read or written once.
// Else two kernels: a block owns 64 queries and walks over the keys for dq, and leaves delta =
// rowsum(dout o) in the workspace; then a block owns 64 keys and walks over the queries for dk and
// dv. Scores are so computed twice (7 products instead of 5), but nothing is added across blocks:
// no atomics, and the bits depend on the shapes alone. q, k, v, dout are read by both.
#include "kernels/cuda/attention_backward.cuh"
#include "kernels/cuda/attention_heads.cuh"
#include "kernels/cuda/attention_plain.h"
#include "kernels/cuda/workspace.h"

namespace fovea::kernels::cuda {
namespace {

using namespace attention;

template <class T>
struct Tensors {
    Heads<const T> q, k, v, o, dout;
    Heads<T> dq, dk, dv;
    const float* lse;
    float* delta;  ///< [B,H,Tq]
    bool vector;

    __device__ __forceinline__ BackwardRows<StridedRows<const T>, StridedRows<T>> rows(
        const Sizes& s, Index batch, Index head) const {
        const Index first = (batch * s.H + head) * s.queries;
        return {.q = q.rows(batch, head),
                .k = k.rows(batch, head),
                .v = v.rows(batch, head),
                .o = o.rows(batch, head),
                .dout = dout.rows(batch, head),
                .dq = dq.rows(batch, head),
                .dk = dk.rows(batch, head),
                .dv = dv.rows(batch, head),
                .lse = lse + first,
                .delta = delta + first,
                .queries = s.queries,
                .keys = s.keys,
                .D = s.D,
                .scale = s.scale,
                .vector = vector};
    }
};

template <class T, int Cap>
__global__ void __launch_bounds__(kBackwardThreads, Cap <= 64 ? 2 : 1)
    at_once(const Tensors<T> tensors, const Sizes s, const ScaledScores scores) {
    extern __shared__ __align__(16) float shared[];
    const Block block(kTile, s.H);
    gradients_at_once<Cap>(shared, tensors.rows(s, block.batch, block.head), scores,
                           [](const auto&) {});
}

template <class T, int Cap>
__global__ void __launch_bounds__(kBackwardThreads, 2)
    of_queries(const Tensors<T> tensors, const Sizes s, const ScaledScores scores) {
    extern __shared__ __align__(16) float shared[];
    const Block block(s.queries, s.H);
    query_gradient<Cap>(shared, tensors.rows(s, block.batch, block.head), block.first, scores);
}

template <class T, int Cap>
__global__ void __launch_bounds__(kBackwardThreads, 2)
    of_keys(const Tensors<T> tensors, const Sizes s, const ScaledScores scores) {
    extern __shared__ __align__(16) float shared[];
    const Block block(s.keys, s.H);
    key_gradient<Cap>(shared, tensors.rows(s, block.batch, block.head), block.first, scores);
}

template <int Cap, class T>
void run(const Stream& stream, const Tensors<T>& tensors, const Sizes& s) {
    const auto how = [](dim3 grid, std::size_t floats) {
        return Launch{grid, dim3(kBackwardThreads), floats * sizeof(float)};
    };
    if (s.queries <= kTile && s.keys <= kTile) {
        launch(stream, how(blocks(s, kTile), kAtOnceFloats<Cap>), at_once<T, Cap>, tensors, s,
               s.scores());
        return;
    }
    launch(stream, how(blocks(s, s.queries), kQueryGradientFloats<Cap>), of_queries<T, Cap>,
           tensors, s, s.scores());
    launch(stream, how(blocks(s, s.keys), kKeyGradientFloats<Cap>), of_keys<T, Cap>, tensors, s,
           s.scores());
}

}  // namespace

void attention_backward_plain(const Stream& stream, View dq, View dk, View dv, CView dout, CView o,
                              CView lse, CView q, CView k, CView v, double scale) {
    const Sizes s(q, k, scale);
    const bool vector = in_fours(dq) && in_fours(dk) && in_fours(dv) && in_fours(dout) &&
                        in_fours(o) && in_fours(q) && in_fours(k) && in_fours(v);
    float* delta = workspace<float>(stream, static_cast<std::size_t>(s.B * s.H * s.queries));
    with_float(q.dtype, [&]<class T>(std::type_identity<T>) {
        const Tensors<T> tensors = {Heads<const T>(q),
                                    Heads<const T>(k),
                                    Heads<const T>(v),
                                    Heads<const T>(o),
                                    Heads<const T>(dout),
                                    Heads<T>(dq),
                                    Heads<T>(dk),
                                    Heads<T>(dv),
                                    lse.as<float>(),
                                    delta,
                                    vector};
        with_cap(s.D, [&](auto cap) { run<decltype(cap)::value>(stream, tensors, s); });
    });
}

}  // namespace fovea::kernels::cuda
