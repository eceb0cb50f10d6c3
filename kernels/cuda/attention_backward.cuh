// Gradients of attention of one (batch, head), for all who say where its rows lie (In, Out) and what
// is added to its scores (Scores). With P = exp(S - lse), computed again, and delta = rowsum(dout o):
//   dS = P (dout v^T - delta)    dv = P^T dout    dq = scale dS k    dk = scale dS^T q
// A block owns what it writes and computes what it needs, delta as well: nothing is added across blocks,
// so there are no atomics, and no block waits for another.
//   gradients_at_once   up to 64 queries and keys: all three from one pass, 5 products
//   query_gradient      dq of 64 queries, against all keys: 3 products
//   key_gradient        dk and dv of 64 keys, against all queries: 4 products
//   score_gradient      dS of 64 queries and 64 keys, for who needs it: 2 products
#pragma once

#include "kernels/cuda/attention_tiles.cuh"

namespace fovea::kernels::cuda::attention {

inline constexpr int kBackwardRows = 4;  // R: 256 threads
inline constexpr int kBackwardThreads = kThreads<kBackwardRows>;
inline constexpr int kStep = kTile / kBackwardRows;  // between a thread's rows

/// A block's shared memory: four tiles, a tile of weights, and of 64 queries what their scores turn into
/// probabilities and gradients with.
template <int Cap, int WeightColumns>
struct BackwardMemory {
    static constexpr int floats = 4 * kTileFloats<Cap> + kWeightFloats<WeightColumns> + 2 * kTile;

    float *q, *k, *v, *dout, *weights, *shifts, *deltas;

    __device__ __forceinline__ explicit BackwardMemory(float* shared)
        : q(shared), k(q + kTileFloats<Cap>), v(k + kTileFloats<Cap>), dout(v + kTileFloats<Cap>),
          weights(dout + kTileFloats<Cap>), shifts(weights + kWeightFloats<WeightColumns>),
          deltas(shifts + kTile) {}
};
template <int Cap>
using AtOnceMemory = BackwardMemory<Cap, kTile>;
/// Of all others: their weights go through add_product.
template <int Cap>
using TileMemory = BackwardMemory<Cap, kTile / 2>;

/// Where the rows of one (batch, head) lie, how many there are, and how wide.
template <class In, class Out>
struct BackwardRows {
    In q, k, v, o, dout;
    Out dq, dk, dv;
    const float* lse;  ///< of query 0
    Index queries, keys;
    int D;
    float scale;
    bool vector;  ///< four elements at once

    __device__ __forceinline__ int depth() const { return (D + 3) / 4 * 4; }
};

__device__ __forceinline__ int rows_left(Index all, Index first) {
    return static_cast<int>(min(all - first, static_cast<Index>(kTile)));
}

/// Rows [first, first + count) of q, k or v of x into a tile.
template <int Cap, class Rows, class X>
__device__ __forceinline__ void load_rows(float* tile, const Rows& rows, Index first, int count,
                                          const X& x) {
    load_tile<Cap, kBackwardThreads>(tile, rows, first, count, x.D, x.vector);
}

/// Queries [first, first + count): dout into its tile, their deltas from it and o, their shifts from
/// lse. Behind the last query, P is zero.
template <int Cap, class Memory, class In, class Out>
__device__ __forceinline__ void load_output_gradient(const Memory& memory,
                                                     const BackwardRows<In, Out>& x, Index first,
                                                     int count) {
    constexpr int quads = Cap / 4;  // threads a row: neighbours in one warp
    constexpr int rounds = kTile * quads / kBackwardThreads;
#pragma unroll 1
    for (int round = 0; round < rounds; ++round) {
        const int at = thread_index() + round * kBackwardThreads;
        const int row = at / quads, d = at % quads * 4;
        float dout[4], o[4];
        load_quad(dout, x.dout, first, row, count, d, x.D, x.vector);
        load_quad(o, x.o, first, row, count, d, x.D, x.vector);
        store_shared(memory.dout + row * kPitch<Cap> + d, dout[0], dout[1], dout[2], dout[3]);
        const float sum = dout[0] * o[0] + dout[1] * o[1] + dout[2] * o[2] + dout[3] * o[3];
        const float delta = warp_reduce<quads>(sum);
        if (d == 0) memory.deltas[row] = delta;
    }
    if (const int t = thread_index(); t < kTile)
        memory.shifts[t] = t < count ? probability_shift(x.lse[first + t]) : INFINITY;
}

/// From products s = q.k and dp = dout.v: s becomes P, dp becomes dS. Rows are queries, from first_query
/// on, columns the keys from first_key on, of which `keys` exist.
template <class Memory, class Scores>
__device__ __forceinline__ void differentiate(float (&s)[kBackwardRows][4],
                                              float (&dp)[kBackwardRows][4], const Memory& memory,
                                              Index first_query, Index first_key, int keys,
                                              const Scores& scores) {
    typename Scores::Token key[4];
#pragma unroll
    for (int j = 0; j < 4; ++j) key[j] = scores.token(first_key + column() + j * kColumns);
#pragma unroll
    for (int i = 0; i < kBackwardRows; ++i) {
        const int row = first_row() + i * kStep;
        const typename Scores::Token query = scores.token(first_query + row);
        const float shift = memory.shifts[row], delta = memory.deltas[row];
#pragma unroll
        for (int j = 0; j < 4; ++j) {
            const bool exists = column() + j * kColumns < keys;
            const float score = exists ? scores(s[i][j], query, key[j]) : -INFINITY;
            s[i][j] = exp2f(score - shift);
            dp[i][j] = exists ? s[i][j] * (dp[i][j] - delta) : 0.0F;
        }
    }
}

/// At most 64 queries and keys. on_gradient(dS) may look at the thread's gradients of the scores.
/// Shared memory may be used again by the caller after a barrier.
template <int Cap, class In, class Out, class Scores, class OnGradient>
__device__ __forceinline__ void gradients_at_once(float* shared, const BackwardRows<In, Out>& x,
                                                  const Scores& scores, OnGradient&& on_gradient) {
    constexpr int R = kBackwardRows;
    const AtOnceMemory<Cap> memory(shared);
    const int queries = static_cast<int>(x.queries), keys = static_cast<int>(x.keys);
    load_rows<Cap>(memory.q, x.q, 0, queries, x);
    load_rows<Cap>(memory.k, x.k, 0, keys, x);
    load_rows<Cap>(memory.v, x.v, 0, keys, x);
    load_output_gradient<Cap>(memory, x, 0, queries);
    __syncthreads();

    float p[R][4], ds[R][4];
    dot_tiles<Cap>(p, memory.q, memory.k, x.depth());
    dot_tiles<Cap>(ds, memory.dout, memory.v, x.depth());
    differentiate(p, ds, memory, 0, 0, keys, scores);
    on_gradient(ds);

    put_weights(memory.weights, p);
    __syncthreads();
    {
        float dv[R][kOwned<Cap>] = {};
        add_weighted_transposed<Cap>(dv, memory.weights, memory.dout, queries);
#pragma unroll
        for (int i = 0; i < R; ++i)
            if (R * first_row() + i < keys)
                store_owned<Cap>(x.dv.row(R * first_row() + i), dv[i], 1.0F, x.D, x.vector);
    }
    __syncthreads();
    put_weights(memory.weights, ds);
    __syncthreads();
    {
        float dk[R][kOwned<Cap>] = {};
        add_weighted_transposed<Cap>(dk, memory.weights, memory.q, queries);
#pragma unroll
        for (int i = 0; i < R; ++i)
            if (R * first_row() + i < keys)
                store_owned<Cap>(x.dk.row(R * first_row() + i), dk[i], x.scale, x.D, x.vector);
    }
    float dq[R][kOwned<Cap>] = {};
    add_weighted<Cap>(dq, memory.weights, memory.k, keys);
#pragma unroll
    for (int i = 0; i < R; ++i) {
        const int row = first_row() + i * kStep;
        if (row < queries) store_owned<Cap>(x.dq.row(row), dq[i], x.scale, x.D, x.vector);
    }
}

/// dS of 64 queries and 64 keys, in registers.
template <int Cap, class In, class Out, class Scores>
__device__ __forceinline__ void score_gradient(float (&ds)[kBackwardRows][4], float* shared,
                                               const BackwardRows<In, Out>& x, Index first_query,
                                               Index first_key, const Scores& scores) {
    const TileMemory<Cap> memory(shared);
    const int rows = rows_left(x.queries, first_query), count = rows_left(x.keys, first_key);
    load_rows<Cap>(memory.q, x.q, first_query, rows, x);
    load_rows<Cap>(memory.k, x.k, first_key, count, x);
    load_rows<Cap>(memory.v, x.v, first_key, count, x);
    load_output_gradient<Cap>(memory, x, first_query, rows);
    __syncthreads();
    float p[kBackwardRows][4];
    dot_tiles<Cap>(p, memory.q, memory.k, x.depth());
    dot_tiles<Cap>(ds, memory.dout, memory.v, x.depth());
    differentiate(p, ds, memory, first_query, first_key, count, scores);
}

template <int Cap, class In, class Out, class Scores>
__device__ __forceinline__ void query_gradient(float* shared, const BackwardRows<In, Out>& x,
                                               Index first_query, const Scores& scores) {
    constexpr int R = kBackwardRows;
    const TileMemory<Cap> memory(shared);
    const int rows = rows_left(x.queries, first_query);
    load_rows<Cap>(memory.q, x.q, first_query, rows, x);
    load_output_gradient<Cap>(memory, x, first_query, rows);

    float dq[R][kOwned<Cap>] = {};
    for (Index first = 0; first < x.keys; first += kTile) {
        const int count = rows_left(x.keys, first);
        load_rows<Cap>(memory.k, x.k, first, count, x);
        load_rows<Cap>(memory.v, x.v, first, count, x);
        __syncthreads();
        float p[R][4], ds[R][4];
        dot_tiles<Cap>(p, memory.q, memory.k, x.depth());
        dot_tiles<Cap>(ds, memory.dout, memory.v, x.depth());
        differentiate(p, ds, memory, first_query, first, count, scores);
        add_product<Cap>(dq, memory.weights, ds, memory.k, count);
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
    const TileMemory<Cap> memory(shared);
    const int rows = rows_left(x.keys, first_key);
    load_rows<Cap>(memory.k, x.k, first_key, rows, x);
    load_rows<Cap>(memory.v, x.v, first_key, rows, x);

    float dk[R][kOwned<Cap>] = {}, dv[R][kOwned<Cap>] = {};
    for (Index first = 0; first < x.queries; first += kTile) {
        const int count = rows_left(x.queries, first);
        load_rows<Cap>(memory.q, x.q, first, count, x);
        load_output_gradient<Cap>(memory, x, first, count);
        __syncthreads();
        float p[R][4], ds[R][4];
        dot_tiles<Cap>(p, memory.k, memory.q, x.depth());
        dot_tiles<Cap>(ds, memory.v, memory.dout, x.depth());
        typename Scores::Token key[R];
#pragma unroll
        for (int i = 0; i < R; ++i) key[i] = scores.token(first_key + first_row() + i * kStep);
#pragma unroll
        for (int j = 0; j < 4; ++j) {
            const int at = column() + j * kColumns;
            const typename Scores::Token query = scores.token(first + at);
            const float shift = memory.shifts[at], delta = memory.deltas[at];
#pragma unroll
            for (int i = 0; i < R; ++i) {
                const float score = at < count ? scores(p[i][j], query, key[i]) : -INFINITY;
                p[i][j] = exp2f(score - shift);
                ds[i][j] = at < count ? p[i][j] * (ds[i][j] - delta) : 0.0F;
            }
        }
        add_product<Cap>(dv, memory.weights, p, memory.dout, count);
        add_product<Cap>(dk, memory.weights, ds, memory.q, count);
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
