// How the summed axis of a matrix product is cut into parts, so that a product with few tiles keeps the
// whole device busy, and where the sums of the parts meet (split_sums.cuh).
//
// Parts of a tile form chains of up to eight. A chain's parts add to the same sums in memory, one after
// another, in order ("serial split-K" with a semaphore). One chain whose result is F32 adds to the
// result itself; otherwise each chain has F32 sums in the workspace, and the block that is the last to
// end a chain of the tile adds the chains' sums, in order. So memory holds one set of sums a chain, not
// one a part, in one launch, and the bits do not depend on which block runs when.
#pragma once

#include "kernels/cuda/gemm.h"

namespace fovea::kernels::cuda {

struct Split {
    unsigned parts, chains;  ///< of a tile
    unsigned links;          ///< parts of a chain; the last chain may have fewer
    std::int64_t steps;      ///< of a part, the last of which may have fewer
    unsigned tiles;          ///< of c, in all batches
    /// Sums [chains, rows, width], then row sums [chains, rows]; null where c takes them itself.
    float* sums;
    std::int64_t rows, width;  ///< B M; N in whole quads
    /// The tickets' counter, turns [tiles, chains], chains that have ended [tiles]; null without parts.
    unsigned* turns;
};

/// A block's work as the choice of the number of parts sees it.
struct TileCost {
    std::int64_t sums;         ///< of a tile
    std::int64_t depth;        ///< multiply-adds a sum gets in a step
    std::int64_t busy;         ///< blocks that keep a multiprocessor busy
    std::int64_t least, most;  ///< steps of a part
};

/// Cuts the summed axis of p, which takes `steps` steps for each of the `tiles` tiles of c. How it is cut
/// depends on these numbers and p's shape and dtypes alone. Takes from workspace() and turns(), so the
/// stream's next launch must be the product's.
Split split_sums(const Stream& stream, const GemmProblem& p, std::int64_t tiles, std::int64_t steps,
                 const TileCost& cost);

}  // namespace fovea::kernels::cuda
