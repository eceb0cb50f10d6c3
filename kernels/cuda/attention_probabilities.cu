// p [B,H,Tq,Tk] = exp(scale q k^T - lse), for those who want to look: q [B,Tq,H,D], k [B,Tk,H,D].
//
// A block owns 64 queries of one (batch, head) and takes the keys 64 at a time; p is written once.
#include "kernels/cuda/attention_heads.cuh"
#include "kernels/include/attention.h"

namespace fovea::kernels::cuda {
namespace {

using namespace attention;

constexpr int kRows = 4;  // R: 256 threads

template <class T, int Cap>
__global__ void __launch_bounds__(kThreads<kRows>)
    probabilities(T* __restrict__ p, const Heads<const T> q, const Heads<const T> k,
                  const float* __restrict__ lse, const Sizes s, const ScaledScores scores,
                  const bool vector) {
    extern __shared__ __align__(16) float shared[];
    float* const q_tile = shared;
    float* const k_tile = shared + kTileFloats<Cap>;
    const Block block(s.query_tiles, s.H);
    const Index first_query = block.tile * kTile;
    const StridedRows<const T> keys = k.rows(block.batch, block.head);
    const int rows = static_cast<int>(min(s.queries - first_query, static_cast<Index>(kTile)));
    const Index first_of_head = (block.batch * s.H + block.head) * s.queries + first_query;
    load_tile<Cap, kThreads<kRows>>(q_tile, q.rows(block.batch, block.head), first_query, rows, s.D,
                                    vector);
    for (Index first = 0; first < s.keys; first += kTile) {
        const int count = static_cast<int>(min(s.keys - first, static_cast<Index>(kTile)));
        load_tile<Cap, kThreads<kRows>>(k_tile, keys, first, count, s.D, vector);
        __syncthreads();
        float products[kRows][4];
        dot_tiles<Cap>(products, q_tile, k_tile, (s.D + 3) / 4 * 4);
#pragma unroll
        for (int i = 0; i < kRows; ++i) {
            const int row = first_row() + i * (kTile / kRows);
            if (row >= rows) continue;
            const float shift = probability_shift(lse[first_of_head + row]);
            T* const to = p + (first_of_head + row) * s.keys + first;
#pragma unroll
            for (int j = 0; j < 4; ++j) {
                const int at = column() + j * kColumns;
                if (at < count)
                    to[at] = from_float<T>(exp2f(scores(products[i][j], {}, {}) - shift));
            }
        }
        __syncthreads();
    }
}

}  // namespace

void attention_probabilities(const Stream& stream, View p, CView q, CView k, CView lse,
                             double scale) {
    const Sizes s(q, k, scale);
    const bool vector = in_fours(q) && in_fours(k);
    with_float(q.dtype, [&]<class T>(std::type_identity<T>) {
        with_cap(s.D, [&](auto cap) {
            constexpr int Cap = decltype(cap)::value;
            launch(stream,
                   {blocks(s, s.query_tiles), dim3(kThreads<kRows>),
                    2 * kTileFloats<Cap> * sizeof(float)},
                   probabilities<T, Cap>, p.as<T>(), Heads<const T>(q), Heads<const T>(k),
                   lse.as<float>(), s, s.scores(), vector);
        });
    });
}

}  // namespace fovea::kernels::cuda
