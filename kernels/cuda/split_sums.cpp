#include "kernels/cuda/split_sums.h"

#include <algorithm>

#include "kernels/cuda/workspace.h"

namespace fovea::kernels::cuda {
namespace {

using Index = std::int64_t;

constexpr Index ceil_div(Index a, Index b) { return (a + b - 1) / b; }

// Constants and no properties of the device at hand: every device gives the same bits.
constexpr Index kMultiprocessors = 132;
// Passing a turn on takes a device about two microseconds (a fence, a store, somebody's poll, and loads
// and stores of the sums by way of L2). Parts of equal length end together, so a chain costs its full
// length: longer ones lose more time than they save memory.
constexpr Index kLongestChain = 8;
// In those two microseconds a multiprocessor (128 lanes) makes some 400 000 multiply-adds, and 20 in the
// time in which one of its sums goes to L2 and back, 10 where it only comes.
constexpr Index kTurn = 400'000, kThereAndBack = 20, kBack = 10;

/// The time of the whole product, in multiply-adds of one multiprocessor.
Index time_of(Index parts, Index tiles, Index steps, const TileCost& cost) {
    const Index blocks = std::max(ceil_div(tiles * parts, kMultiprocessors), cost.busy);
    const Index multiplying = blocks * ceil_div(steps, parts) * cost.depth * cost.sums;
    if (parts == 1) return multiplying;
    const Index chains = ceil_div(parts, kLongestChain);
    return multiplying + std::min(parts, kLongestChain) * (kTurn + kThereAndBack * cost.sums) +
           (chains > 1 ? chains * kBack * cost.sums : 0);
}

/// The fewest parts that take at most an eighth longer than the best number: blocks do not run in step,
/// so a model's last few percent are not real, and the memory for more sums is.
Index best_parts(Index tiles, Index steps, const TileCost& cost) {
    const Index fewest = std::max<Index>(ceil_div(steps, cost.most), 1);
    const Index most = std::max(fewest, std::min(steps / cost.least, kMultiprocessors));
    if (tiles >= kMultiprocessors) return fewest;
    Index best = time_of(fewest, tiles, steps, cost);
    for (Index parts = fewest; parts <= most; ++parts)
        best = std::min(best, time_of(parts, tiles, steps, cost));
    Index parts = fewest;
    while (time_of(parts, tiles, steps, cost) > best + best / 8) ++parts;
    return parts;
}

}  // namespace

Split split_sums(const Stream& stream, const GemmProblem& p, Index tiles, Index steps,
                 const TileCost& cost) {
    const Index per_part = std::max<Index>(ceil_div(steps, best_parts(tiles, steps, cost)), 1);
    const Index parts = std::max<Index>(ceil_div(steps, per_part), 1);
    const Index chains = ceil_div(parts, kLongestChain);
    Split split = {.parts = static_cast<unsigned>(parts),
                   .chains = static_cast<unsigned>(chains),
                   .links = static_cast<unsigned>(ceil_div(parts, chains)),
                   .steps = per_part,
                   .tiles = static_cast<unsigned>(tiles),
                   .sums = nullptr,
                   .rows = p.B * p.M,
                   .width = ceil_div(p.N, 4) * 4,
                   .turns = nullptr};
    if (parts == 1) return split;
    if (chains > 1 || p.out != DType::F32)
        split.sums = workspace<float>(
            stream, static_cast<std::size_t>(chains * split.rows * (split.width + 1)));
    split.turns = turns(stream, static_cast<std::size_t>(1 + tiles * (chains + 1)));
    return split;
}

}  // namespace fovea::kernels::cuda
