// The sums of one part on their way to c (split_sums.h). A block multiplies its part of a tile, then
// brings the sums home: it puts them where those of the parts before it are, when its turn has come.
#pragma once

#include "kernels/cuda/gemm_epilogue.cuh"
#include "kernels/cuda/split_sums.h"
#include "kernels/cuda/turns.cuh"

namespace fovea::kernels::cuda {

/// The part that a block has: part `link` of chain `chain` of tile `tile`, one of `links`.
struct Link {
    unsigned tile, part, chain, link, links;

    __device__ __forceinline__ Link(const Split& split, unsigned tile_, unsigned part_)
        : tile(tile_), part(part_), chain(part_ / split.links), link(part_ % split.links),
          links(min(split.links, split.parts - chain * split.links)) {}
};

__device__ __forceinline__ unsigned* turn_of(const Split& split, const Link& at) {
    return split.turns + 1 + at.tile * split.chains + at.chain;
}
__device__ __forceinline__ float* sum_at(const Split& split, unsigned chain, Index row,
                                         Index column) {
    return split.sums + (chain * split.rows + row) * split.width + column;
}
__device__ __forceinline__ float* row_sum_at(const Split& split, unsigned chain, Index row) {
    return sum_at(split, split.chains, 0, 0) + chain * split.rows + row;
}

/// The problem as one part sees it that adds to c itself: what is not linear waits for the last one.
__device__ __forceinline__ GemmProblem of_part(const GemmProblem& p, const Split& split,
                                               unsigned part) {
    GemmProblem q = p;
    q.accumulate = p.accumulate || part > 0;
    if (part + 1 < split.parts && p.pre == nullptr) {
        q.bias = nullptr;
        q.f = Unary::Identity;
    }
    return q;
}

/// Sums x of a row of c, from `column` on, go where the part's sums go.
__device__ __forceinline__ void put(const GemmProblem& p, const Split& split, const Link& at,
                                    float (&x)[4], Index batch, Index row, Index column, int count,
                                    bool vector) {
    if (split.sums == nullptr)
        return finish(of_part(p, split, at.part), x, batch, row, column, count, vector);
    float4* sum = reinterpret_cast<float4*>(sum_at(split, at.chain, batch * p.M + row, column));
    if (at.link > 0) {
        const float4 before = __ldcg(sum);
        x[0] += before.x;
        x[1] += before.y;
        x[2] += before.z;
        x[3] += before.w;
    }
    __stcg(sum, float4{x[0], x[1], x[2], x[3]});
}

__device__ __forceinline__ void put_row_sum(const GemmProblem& p, const Split& split,
                                            const Link& at, Index row, float x) {
    if (split.sums == nullptr) return put_row_sum(of_part(p, split, at.part), row, x);
    float* sum = row_sum_at(split, at.chain, row);
    *sum = at.link > 0 ? __ldcg(sum) + x : x;
}

/// The chains' sums of rows [first_row, end_row) and columns [first_column, end_column), at most Columns
/// of them, become c; with the rows' sums if `sums_rows`. For all threads of the block.
template <int Columns, int Threads>
__device__ __forceinline__ void add_chains(const GemmProblem& p, const Split& split, int thread,
                                           Index batch, Index first_row, Index end_row,
                                           Index first_column, bool vector, bool sums_rows) {
    constexpr int quads = Columns / 4;
    const int all = static_cast<int>(end_row - first_row) * quads;
#pragma unroll 1
    for (int q = thread; q < all; q += Threads) {
        const Index row = first_row + q / quads, column = first_column + q % quads * 4;
        const int count = static_cast<int>(min(p.N - column, Index{4}));
        if (count <= 0) continue;
        float x[4] = {};
#pragma unroll 4
        for (unsigned chain = 0; chain < split.chains; ++chain) {
            const float4 sum = __ldcg(
                reinterpret_cast<const float4*>(sum_at(split, chain, batch * p.M + row, column)));
            x[0] += sum.x;
            x[1] += sum.y;
            x[2] += sum.z;
            x[3] += sum.w;
        }
        finish(p, x, batch, row, column, count, vector);
    }
    if (!sums_rows) return;
    for (Index row = first_row + thread; row < end_row; row += Threads) {
        float x = 0.0F;
        for (unsigned chain = 0; chain < split.chains; ++chain)
            x += __ldcg(row_sum_at(split, chain, row));
        put_row_sum(p, row, x);
    }
}

/// put_tile() puts all sums of the block's part, which is link(); finish_tile() adds the chains. For all
/// threads. link() is asked again where it is needed, as registers are scarce in between.
template <class GetLink, class Put, class Finish>
__device__ __forceinline__ void bring_home(const Split& split, GetLink link, Put put_tile,
                                           Finish finish_tile) {
    if (split.parts > 1) {
        const Link at = link();
        wait_turn(turn_of(split, at), at.link);
    }
    put_tile();
    if (split.parts == 1) return;
    const Link at = link();
    const bool ends_chain = at.link + 1 == at.links;
    pass_turn(turn_of(split, at), ends_chain ? 0 : at.link + 1);
    if (split.sums == nullptr || !ends_chain) return;
    unsigned* const ended = split.turns + 1 + split.tiles * split.chains + at.tile;
    if (is_last_to_arrive(ended, split.chains)) finish_tile();
}

/// The number of the block's work: a ticket where blocks wait for each other. For one thread a block.
__device__ __forceinline__ unsigned number_of_work(const Split& split) {
    return split.parts == 1 ? blockIdx.x : take_ticket(split.turns, gridDim.x);
}

}  // namespace fovea::kernels::cuda
