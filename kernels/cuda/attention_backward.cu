// Attention on CUDA cores, backward: dq, dk, dv from dout, o, lse and q, k, v, all [B,T,H,D] but lse
// [B,H,Tq]. Scores are computed again; see attention_backward.cuh for the formulas.
//
// Up to 64 queries and keys: a block owns a (batch, head); every tensor is read or written once, and
// there are 5 products.
// Else one launch of two kinds of blocks: one owns 64 keys and walks over the queries for dk and dv
// (4 products), the other owns 64 queries and walks over the keys for dq (3 products). Scores are so
// computed twice, 7 products instead of 5: a single walk would have to add up dq, or dk and dv, across
// blocks, with atomics or partial sums of the tensors' size. As it is, the bits depend on the shapes
// alone.
// Global memory: dq, dk, dv are written once. All blocks of a (batch, head) are neighbours in launch
// order, so what one reads, the others find in the L2 cache: each tensor comes from HBM once as long as
// the rows of the heads under way fit there (CvT-13 stage 1, the largest: 3 MB a head, F32). From L2
// come q, dout, o and lse once a tile of keys and once more for the queries' own blocks; k and v once a
// tile of queries and once more for the keys' own.
#include "kernels/cuda/attention_backward.cuh"
#include "kernels/cuda/attention_heads.cuh"
#include "kernels/cuda/attention_plain.h"

namespace fovea::kernels::cuda {
namespace {

using namespace attention;

template <class T>
struct Tensors {
    Heads<const T> q, k, v, o, dout;
    Heads<T> dq, dk, dv;
    const float* lse;
    bool vector;

    __device__ __forceinline__ BackwardRows<StridedRows<const T>, StridedRows<T>> rows(
        const Sizes& s, Index batch, Index head) const {
        return {.q = q.rows(batch, head),
                .k = k.rows(batch, head),
                .v = v.rows(batch, head),
                .o = o.rows(batch, head),
                .dout = dout.rows(batch, head),
                .dq = dq.rows(batch, head),
                .dk = dk.rows(batch, head),
                .dv = dv.rows(batch, head),
                .lse = lse + (batch * s.H + head) * s.queries,
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
    const Block block(1, s.H);
    gradients_at_once<Cap>(shared, tensors.rows(s, block.batch, block.head), scores,
                           [](const auto&) {});
}

/// Of a head first the tiles of keys, which take longer, then the tiles of queries.
template <class T, int Cap>
__global__ void __launch_bounds__(kBackwardThreads, Cap <= 64 ? 2 : 1)
    by_tiles(const Tensors<T> tensors, const Sizes s, const ScaledScores scores) {
    extern __shared__ __align__(16) float shared[];
    const Block block(s.key_tiles + s.query_tiles, s.H);
    const auto rows = tensors.rows(s, block.batch, block.head);
    if (block.tile < s.key_tiles)
        key_gradient<Cap>(shared, rows, block.tile * kTile, scores);
    else
        query_gradient<Cap>(shared, rows, (block.tile - s.key_tiles) * kTile, scores);
}

template <int Cap, class T>
void run(const Stream& stream, const Tensors<T>& tensors, const Sizes& s) {
    const auto go = [&](auto kernel, Index tiles, int floats) {
        launch(stream, {blocks(s, tiles), dim3(kBackwardThreads), floats * sizeof(float)}, kernel,
               tensors, s, s.scores());
    };
    if (s.queries <= kTile && s.keys <= kTile)
        go(at_once<T, Cap>, 1, AtOnceMemory<Cap>::floats);
    else
        go(by_tiles<T, Cap>, s.key_tiles + s.query_tiles, TileMemory<Cap>::floats);
}

}  // namespace

void attention_backward_plain(const Stream& stream, View dq, View dk, View dv, CView dout, CView o,
                              CView lse, CView q, CView k, CView v, double scale) {
    const Sizes s(q, k, scale);
    const bool vector = in_fours(dq) && in_fours(dk) && in_fours(dv) && in_fours(dout) &&
                        in_fours(o) && in_fours(q) && in_fours(k) && in_fours(v);
    with_float(q.dtype, [&]<class T>(std::type_identity<T>) {
        const Tensors<T> tensors = {Heads<const T>(q),    Heads<const T>(k),
                                    Heads<const T>(v),    Heads<const T>(o),
                                    Heads<const T>(dout), Heads<T>(dq),
                                    Heads<T>(dk),         Heads<T>(dv),
                                    lse.as<float>(),      vector};
        with_cap(s.D, [&](auto cap) { run<decltype(cap)::value>(stream, tensors, s); });
    });
}

}  // namespace fovea::kernels::cuda
