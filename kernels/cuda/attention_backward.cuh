// Gradients of attention of one (batch, head), for all who say where its rows lie (In, Out) and what
// is added to its scores (Scores). With P = exp(S - lse), computed again, and delta = rowsum(dout o):
//   dS = P (dout v^T - delta)    dv = P^T dout    dq = scale dS k    dk = scale dS^T q
// Nothing is added across blocks: a block owns what it writes, so there are no atomics.
//   gradients_at_once   up to 64 queries and keys: all three from one pass
//   query_gradient      64 queries against all keys; also leaves delta for
//   key_gradient        64 keys against all queries
//   score_gradient      dS of 64 queries and 64 keys, for who needs it
#pragma once

#include "kernels/cuda/attention_tiles.cuh"

namespace fovea::kernels::cuda::attention {

inline constexpr int kBackwardRows = 4;  // R: 256 threads
inline constexpr int kBackwardThreads = kThreads<kBackwardRows>;
inline constexpr int kStep = kTile / kBackwardRows;  // between a thread's rows

/// Floats of shared memory.
template <int Cap>
inline constexpr int kAtOnceFloats = 4 * kTileFloats<Cap> + kWeightFloats;
template <int Cap>
inline constexpr int kQueryGradientFloats = 3 * kTileFloats<Cap> + (kTileFloats<Cap> > kWeightFloats
                                                                        ? kTileFloats<Cap>
                                                                        : kWeightFloats);
template <int Cap>
inline constexpr int kKeyGradientFloats = 4 * kTileFloats<Cap> + kWeightFloats + 2 * kTile;

/// Where the rows of one (batch, head) lie, how many there are, and how wide.
template <class In, class Out>
struct BackwardRows {
    In q, k, v, o, dout;
    Out dq, dk, dv;
    const float* lse;  ///< of query 0
    float* delta;      ///< of query 0: query_gradient writes, key_gradient reads it
    Index queries, keys;
    int D;
    float scale;
    bool vector;  ///< four elements at once

    __device__ __forceinline__ int depth() const { return (D + 3) / 4 * 4; }
};

__device__ __forceinline__ int rows_left(Index all, Index first) {
    return static_cast<int>(min(all - first, static_cast<Index>(kTile)));
}

/// What a row of scores turns into probabilities and gradients with.
struct RowState {
    float shift, delta;
};

/// Of query first + row; dout_tile holds dout from `first` on. Behind the last query, P is zero.
template <int Cap, class In, class Out>
__device__ __forceinline__ RowState row_state(const BackwardRows<In, Out>& x, Index first, int row,
                                              int rows, const float* dout_tile) {
    float dout[kOwned<Cap>];
    load_owned<Cap>(dout, dout_tile + row * kPitch<Cap>);
    const bool exists = row < rows;
    const float delta =
        dot_owned<Cap>(dout, exists ? x.o.row(first + row) : nullptr, x.D, x.vector);
    return {exists ? probability_shift(x.lse[first + row]) : INFINITY, delta};
}

/// From products s = q.k and dp = dout.v: s becomes P, dp becomes dS. Rows are queries, columns the keys
/// from first_key on, of which `keys` exist.
template <class Scores>
__device__ __forceinline__ void differentiate(float (&s)[kBackwardRows][4],
                                              float (&dp)[kBackwardRows][4],
                                              const RowState (&state)[kBackwardRows],
                                              const typename Scores::Token (&query)[kBackwardRows],
                                              Index first_key, int keys, const Scores& scores) {
#pragma unroll
    for (int j = 0; j < 4; ++j) {
        const int at = column() + j * kColumns;
        const typename Scores::Token key = scores.token(first_key + at);
#pragma unroll
        for (int i = 0; i < kBackwardRows; ++i) {
            const float score = at < keys ? scores(s[i][j], query[i], key) : -INFINITY;
            s[i][j] = exp2f(score - state[i].shift);
            dp[i][j] = at < keys ? s[i][j] * (dp[i][j] - state[i].delta) : 0.0F;
        }
    }
}

/// At most 64 queries and keys. on_gradient(dS) may look at the thread's gradients of the scores.
/// Shared memory may be used again by the caller after a barrier.
template <int Cap, class In, class Out, class Scores, class OnGradient>
__device__ __forceinline__ void gradients_at_once(float* shared, const BackwardRows<In, Out>& x,
                                                  const Scores& scores, OnGradient&& on_gradient) {
    constexpr int R = kBackwardRows;
    float* const q_tile = shared;
    float* const k_tile = q_tile + kTileFloats<Cap>;
    float* const v_tile = k_tile + kTileFloats<Cap>;
    float* const dout_tile = v_tile + kTileFloats<Cap>;
    float* const weights = dout_tile + kTileFloats<Cap>;
    const int queries = static_cast<int>(x.queries), keys = static_cast<int>(x.keys);
    load_tile<Cap, kBackwardThreads>(q_tile, x.q, 0, queries, x.D, x.vector);
    load_tile<Cap, kBackwardThreads>(k_tile, x.k, 0, keys, x.D, x.vector);
    load_tile<Cap, kBackwardThreads>(v_tile, x.v, 0, keys, x.D, x.vector);
    load_tile<Cap, kBackwardThreads>(dout_tile, x.dout, 0, queries, x.D, x.vector);
    __syncthreads();

    RowState state[R];
    typename Scores::Token query[R];
#pragma unroll
    for (int i = 0; i < R; ++i) {
        const int row = first_row() + i * kStep;
        state[i] = row_state<Cap>(x, 0, row, queries, dout_tile);
        query[i] = scores.token(row);
    }
    float p[R][4], ds[R][4];
    dot_tiles<Cap>(p, q_tile, k_tile, x.depth());
    dot_tiles<Cap>(ds, dout_tile, v_tile, x.depth());
    differentiate(p, ds, state, query, 0, keys, scores);
    on_gradient(ds);

    put_weights(weights, p);
    __syncthreads();
    {
        float dv[R][kOwned<Cap>] = {};
        add_weighted_transposed<Cap>(dv, weights, dout_tile, queries);
#pragma unroll
        for (int i = 0; i < R; ++i)
            if (R * first_row() + i < keys)
                store_owned<Cap>(x.dv.row(R * first_row() + i), dv[i], 1.0F, x.D, x.vector);
    }
    __syncthreads();
    put_weights(weights, ds);
    __syncthreads();
    {
        float dk[R][kOwned<Cap>] = {};
        add_weighted_transposed<Cap>(dk, weights, q_tile, queries);
#pragma unroll
        for (int i = 0; i < R; ++i)
            if (R * first_row() + i < keys)
                store_owned<Cap>(x.dk.row(R * first_row() + i), dk[i], x.scale, x.D, x.vector);
    }
    float dq[R][kOwned<Cap>] = {};
    add_weighted<Cap>(dq, weights, k_tile, keys);
#pragma unroll
    for (int i = 0; i < R; ++i) {
        const int row = first_row() + i * kStep;
        if (row < queries) store_owned<Cap>(x.dq.row(row), dq[i], x.scale, x.D, x.vector);
    }
}

/// dS of 64 queries and 64 keys, in registers; delta has been left by query_gradient.
template <int Cap, class In, class Out, class Scores>
__device__ __forceinline__ void score_gradient(float (&ds)[kBackwardRows][4], float* shared,
                                               const BackwardRows<In, Out>& x, Index first_query,
                                               Index first_key, const Scores& scores) {
    float* const q_tile = shared;
    float* const k_tile = q_tile + kTileFloats<Cap>;
    float* const v_tile = k_tile + kTileFloats<Cap>;
    float* const dout_tile = v_tile + kTileFloats<Cap>;
    const int rows = rows_left(x.queries, first_query), count = rows_left(x.keys, first_key);
    load_tile<Cap, kBackwardThreads>(q_tile, x.q, first_query, rows, x.D, x.vector);
    load_tile<Cap, kBackwardThreads>(k_tile, x.k, first_key, count, x.D, x.vector);
    load_tile<Cap, kBackwardThreads>(v_tile, x.v, first_key, count, x.D, x.vector);
    load_tile<Cap, kBackwardThreads>(dout_tile, x.dout, first_query, rows, x.D, x.vector);
    __syncthreads();

    RowState state[kBackwardRows];
    typename Scores::Token query[kBackwardRows];
#pragma unroll
    for (int i = 0; i < kBackwardRows; ++i) {
        const int row = first_row() + i * kStep;
        const bool exists = row < rows;
        state[i].shift = exists ? probability_shift(x.lse[first_query + row]) : INFINITY;
        state[i].delta = exists ? x.delta[first_query + row] : 0.0F;
        query[i] = scores.token(first_query + row);
    }
    float p[kBackwardRows][4];
    dot_tiles<Cap>(p, q_tile, k_tile, x.depth());
    dot_tiles<Cap>(ds, dout_tile, v_tile, x.depth());
    differentiate(p, ds, state, query, first_key, count, scores);
}

template <int Cap, class In, class Out, class Scores>
__device__ __forceinline__ void query_gradient(float* shared, const BackwardRows<In, Out>& x,
                                               Index first_query, const Scores& scores) {
    constexpr int R = kBackwardRows;
    float* const q_tile = shared;
    float* const dout_tile = q_tile + kTileFloats<Cap>;
    float* const k_tile = dout_tile + kTileFloats<Cap>;
    float* const v_tile = k_tile + kTileFloats<Cap>;
    float* const weights = v_tile;
    const int rows = rows_left(x.queries, first_query);
    load_tile<Cap, kBackwardThreads>(q_tile, x.q, first_query, rows, x.D, x.vector);
    load_tile<Cap, kBackwardThreads>(dout_tile, x.dout, first_query, rows, x.D, x.vector);
    __syncthreads();

    RowState state[R];
    typename Scores::Token query[R];
#pragma unroll
    for (int i = 0; i < R; ++i) {
        const int row = first_row() + i * kStep;
        state[i] = row_state<Cap>(x, first_query, row, rows, dout_tile);
        query[i] = scores.token(first_query + row);
        if (row < rows && column() == 0) x.delta[first_query + row] = state[i].delta;
    }

    float dq[R][kOwned<Cap>] = {};
    for (Index first = 0; first < x.keys; first += kTile) {
        const int count = rows_left(x.keys, first);
        load_tile<Cap, kBackwardThreads>(k_tile, x.k, first, count, x.D, x.vector);
        load_tile<Cap, kBackwardThreads>(v_tile, x.v, first, count, x.D, x.vector);
        __syncthreads();
        float p[R][4], ds[R][4];
        dot_tiles<Cap>(p, q_tile, k_tile, x.depth());
        dot_tiles<Cap>(ds, dout_tile, v_tile, x.depth());
        __syncthreads();  // the values' memory is free for weights
        differentiate(p, ds, state, query, first, count, scores);
        put_weights(weights, ds);
        __syncwarp();  // a row of weights is written and read by the same 16 threads
        add_weighted<Cap>(dq, weights, k_tile, count);
        __syncthreads();
    }
#pragma unroll
    for (int i = 0; i < R; ++i) {
        const int row = first_row() + i * kStep;
        if (row < rows)
            store_owned<Cap>(x.dq.row(first_query + row), dq[i], x.scale, x.D, x.vector);
    }
}

/// Works on transposed scores: rows are keys, columns queries.
template <int Cap, class In, class Out, class Scores>
__device__ __forceinline__ void key_gradient(float* shared, const BackwardRows<In, Out>& x,
                                             Index first_key, const Scores& scores) {
    constexpr int R = kBackwardRows;
    float* const k_tile = shared;
    float* const v_tile = k_tile + kTileFloats<Cap>;
    float* const q_tile = v_tile + kTileFloats<Cap>;
    float* const dout_tile = q_tile + kTileFloats<Cap>;
    float* const weights = dout_tile + kTileFloats<Cap>;
    float* const shifts = weights + kWeightFloats;
    float* const deltas = shifts + kTile;
    const int rows = rows_left(x.keys, first_key);
    load_tile<Cap, kBackwardThreads>(k_tile, x.k, first_key, rows, x.D, x.vector);
    load_tile<Cap, kBackwardThreads>(v_tile, x.v, first_key, rows, x.D, x.vector);

    typename Scores::Token key[R];
#pragma unroll
    for (int i = 0; i < R; ++i) key[i] = scores.token(first_key + first_row() + i * kStep);
    float dk[R][kOwned<Cap>] = {}, dv[R][kOwned<Cap>] = {};
    for (Index first = 0; first < x.queries; first += kTile) {
        const int count = rows_left(x.queries, first);
        load_tile<Cap, kBackwardThreads>(q_tile, x.q, first, count, x.D, x.vector);
        load_tile<Cap, kBackwardThreads>(dout_tile, x.dout, first, count, x.D, x.vector);
        if (const int t = static_cast<int>(threadIdx.x); t < kTile) {
            shifts[t] = t < count ? probability_shift(x.lse[first + t]) : INFINITY;
            deltas[t] = t < count ? x.delta[first + t] : 0.0F;
        }
        __syncthreads();
        float p[R][4], ds[R][4];
        dot_tiles<Cap>(p, k_tile, q_tile, x.depth());
        dot_tiles<Cap>(ds, v_tile, dout_tile, x.depth());
#pragma unroll
        for (int j = 0; j < 4; ++j) {
            const int at = column() + j * kColumns;
            const typename Scores::Token query = scores.token(first + at);
            const float shift = shifts[at], delta = deltas[at];
#pragma unroll
            for (int i = 0; i < R; ++i) {
                const float score = at < count ? scores(p[i][j], query, key[i]) : -INFINITY;
                p[i][j] = exp2f(score - shift);
                ds[i][j] = at < count ? p[i][j] * (ds[i][j] - delta) : 0.0F;
            }
        }
        put_weights(weights, p);
        __syncwarp();  // a row of weights is written and read by the same 16 threads
        add_weighted<Cap>(dv, weights, dout_tile, count);
        __syncwarp();
        put_weights(weights, ds);
        __syncwarp();
        add_weighted<Cap>(dk, weights, q_tile, count);
        __syncthreads();
    }
#pragma unroll
    for (int i = 0; i < R; ++i) {
        const int row = first_row() + i * kStep;
        if (row >= rows) continue;
        store_owned<Cap>(x.dk.row(first_key + row), dk[i], x.scale, x.D, x.vector);
        store_owned<Cap>(x.dv.row(first_key + row), dv[i], 1.0F, x.D, x.vector);
    }
}

}  // namespace fovea::kernels::cuda::attention
