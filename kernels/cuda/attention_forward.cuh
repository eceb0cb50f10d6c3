// Attention of one tile of 64 queries, one (batch, head), for all who say where its rows lie (Rows) and
// what is added to its scores (Scores):
//   o = softmax(S) v    lse = log sum exp S    S[i,j] = scores(q_i . k_j)
// Keys and values pass through shared memory, 64 at a time; sums are rescaled when a larger score
// turns up (online softmax, FlashAttention). Columns behind the last key score -inf; a row of -inf
// only gives zeros and lse = -inf.
#pragma once

#include "kernels/cuda/attention_tiles.cuh"

namespace fovea::kernels::cuda::attention {

template <int Cap>
inline constexpr int kForwardRows = Cap <= 64 ? 8 : 4;  // R: 128 or 256 threads

/// Floats of shared memory: queries; keys, later weights; values.
template <int Cap>
inline constexpr int kForwardFloats = 2 * kTileFloats<Cap> +
                                      (kTileFloats<Cap> > kWeightFloats<kTile>
                                           ? kTileFloats<Cap>
                                           : kWeightFloats<kTile>);

/// Where the rows of one (batch, head) lie, how many there are, and how wide.
template <class In, class Out>
struct ForwardRows {
    In q, k, v;
    Out o;
    float* lse;  ///< of query 0; nullptr: not wanted
    Index queries, keys;
    int D;
    bool vector;  ///< four elements at once
};

template <int Cap, class In, class Out, class Scores>
__device__ __forceinline__ void forward_tile(float* shared, const ForwardRows<In, Out>& x,
                                             Index first_query, const Scores& scores) {
    constexpr int R = kForwardRows<Cap>, step = kTile / R;
    float* const q_tile = shared;
    float* const v_tile = shared + kTileFloats<Cap>;
    float* const k_tile = shared + 2 * kTileFloats<Cap>;
    float* const weights = k_tile;

    const int rows = static_cast<int>(min(x.queries - first_query, static_cast<Index>(kTile)));
    const int depth = (x.D + 3) / 4 * 4;
    load_tile<Cap, kThreads<R>>(q_tile, x.q, first_query, rows, x.D, x.vector);

    float sum[R][kOwned<Cap>] = {}, total[R] = {}, largest[R];  // largest, scores: in base 2
    typename Scores::Token query[R];
#pragma unroll
    for (int i = 0; i < R; ++i) {
        largest[i] = -INFINITY;
        query[i] = scores.token(first_query + first_row() + i * step);
    }

    for (Index first = 0; first < x.keys; first += kTile) {
        const int count = static_cast<int>(min(x.keys - first, static_cast<Index>(kTile)));
        load_tile<Cap, kThreads<R>>(k_tile, x.k, first, count, x.D, x.vector);
        load_tile<Cap, kThreads<R>>(v_tile, x.v, first, count, x.D, x.vector);
        __syncthreads();
        float s[R][4];
        dot_tiles<Cap>(s, q_tile, k_tile, depth);
        __syncthreads();  // the keys' memory is free for weights

#pragma unroll
        for (int j = 0; j < 4; ++j) {
            const int at = column() + j * kColumns;
            const typename Scores::Token key = scores.token(first + at);
#pragma unroll
            for (int i = 0; i < R; ++i)
                s[i][j] = at < count ? scores(s[i][j], query[i], key) : -INFINITY;
        }
#pragma unroll
        for (int i = 0; i < R; ++i) {
            const float here = fmaxf(fmaxf(s[i][0], s[i][1]), fmaxf(s[i][2], s[i][3]));
            const float now = fmaxf(largest[i], warp_reduce<kColumns>(here, Larger{}));
            const float shift = now == -INFINITY ? 0.0F : now;
            const float rescale = exp2f(largest[i] - shift);
            largest[i] = now;
            total[i] *= rescale;
#pragma unroll
            for (int c = 0; c < kOwned<Cap>; ++c) sum[i][c] *= rescale;
#pragma unroll
            for (int j = 0; j < 4; ++j) {
                s[i][j] = exp2f(s[i][j] - shift);
                total[i] += s[i][j];
            }
        }
        put_weights(weights, s);
        __syncwarp();  // a row of weights is written and read by the same 16 threads
        add_weighted<Cap>(sum, weights, v_tile, count);
        __syncthreads();
    }

#pragma unroll
    for (int i = 0; i < R; ++i) {
        const float all = warp_reduce<kColumns>(total[i]);
        const int row = first_row() + i * step;
        if (row >= rows) continue;
        const float inverse = all == 0.0F ? 0.0F : 1.0F / all;
        store_owned<Cap>(x.o.row(first_query + row), sum[i], inverse, x.D, x.vector);
        if (x.lse != nullptr && column() == 0)
            x.lse[first_query + row] =
                (largest[i] == -INFINITY ? 0.0F : largest[i] * kLn2) + logf(all);
    }
}

}  // namespace fovea::kernels::cuda::attention
