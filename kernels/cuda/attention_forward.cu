// Attention on CUDA cores, forward: o = softmax(scale q k^T) v and lse = log sum exp(scale q k^T), per
// (batch, head), without ever storing the probabilities. q, o [B,Tq,H,D]; k, v [B,Tk,H,D]; lse [B,H,Tq].
//
// A block owns 64 queries of one (batch, head); see attention_forward.cuh. Sums in F32, in the order of
// the keys, so the bits depend on the shapes alone.
// Global memory: q is read once, k and v once for every 64 queries (from the L2 cache after the first,
// as neighbouring blocks take the same head), o and lse are written once.
#include "kernels/cuda/attention_forward.cuh"
#include "kernels/cuda/attention_heads.cuh"
#include "kernels/cuda/attention_plain.h"

namespace fovea::kernels::cuda {
namespace {

using namespace attention;

template <class T, int Cap>
__global__ void __launch_bounds__(kThreads<kForwardRows<Cap>>, Cap <= 64 ? 4 : 2)
    forward(const Heads<T> o, float* __restrict__ lse, const Heads<const T> q,
            const Heads<const T> k, const Heads<const T> v, const Sizes s,
            const ScaledScores scores, const bool vector) {
    extern __shared__ __align__(16) float shared[];
    const Block block(s.query_tiles, s.H);
    const Index b = block.batch, h = block.head;
    const ForwardRows<StridedRows<const T>, StridedRows<T>> rows = {
        .q = q.rows(b, h),
        .k = k.rows(b, h),
        .v = v.rows(b, h),
        .o = o.rows(b, h),
        .lse = lse == nullptr ? nullptr : lse + (b * s.H + h) * s.queries,
        .queries = s.queries,
        .keys = s.keys,
        .D = s.D,
        .vector = vector};
    forward_tile<Cap>(shared, rows, block.tile * kTile, scores);
}

}  // namespace

void attention_forward_plain(const Stream& stream, View o, View lse, CView q, CView k, CView v,
                             double scale) {
    const Sizes s(q, k, scale);
    const bool vector = in_fours(o) && in_fours(q) && in_fours(k) && in_fours(v);
    with_float(q.dtype, [&]<class T>(std::type_identity<T>) {
        with_cap(s.D, [&](auto cap) {
            constexpr int Cap = decltype(cap)::value;
            launch(stream,
                   {blocks(s, s.query_tiles), dim3(kThreads<kForwardRows<Cap>>),
                    kForwardFloats<Cap> * sizeof(float)},
                   forward<T, Cap>, Heads<T>(o), lse.as<float>(), Heads<const T>(q),
                   Heads<const T>(k), Heads<const T>(v), s, s.scores(), vector);
        });
    });
}

}  // namespace fovea::kernels::cuda
