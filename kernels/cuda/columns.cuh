// Reductions down the columns of [rows, C], and maps with one set of numbers a column: BatchNorm's shape.
//
// A thread owns one chunk of columns (chunk.cuh), `width` threads lie along a row and the others of the
// block take the rows after it, so that a warp reads pieces of at least 64 bytes wherever C has them. A
// block handles a tile of neighbouring rows; tiles are a function of the shape alone.
#pragma once

#include "kernels/cuda/lane_pairs.cuh"

namespace fovea::kernels::cuda {

struct ColumnTiles {
    static constexpr int kThreads = 256;

    Index rows, C;
    int chunk;  ///< columns a thread owns
    int width;  ///< threads along a row; a power of two, at most a warp, and at least a pair of lanes
                ///< where their F32 numbers come in pairs (lane_pairs.cuh)
    Index tile_rows, tiles;

    /// chunk: kLanes<T> or 1.
    ColumnTiles(Index row_count, Index column_count, int chunk_columns)
        : rows(row_count), C(column_count), chunk(chunk_columns), width(chunk > 4 ? 2 : 1) {
        const Index chunks = ceil_div(C, chunk);
        while (width < kWarp && width < chunks) width *= 2;
        // Rather narrower than with idle threads, as long as a piece of a row has 64 bytes.
        const Index divisor = chunks & -chunks;  // the largest power of two
        if (chunk > 1 && divisor >= 4) width = static_cast<int>(std::min<Index>(divisor, width));
        const Index most = std::max<Index>(1, 528 / groups());
        tiles = std::clamp<Index>(ceil_div(rows, 8 * (kThreads / width)), 1, most);
        tile_rows = std::max<Index>(1, ceil_div(rows, tiles));
        tiles = ceil_div(rows, tile_rows);
    }

    Index groups() const { return ceil_div(ceil_div(C, chunk), width); }
    Launch launch() const {
        return {dim3(static_cast<unsigned>(tiles), static_cast<unsigned>(groups())),
                dim3(kThreads)};
    }

    __host__ __device__ Index rows_of(Index tile) const {
        return tile < tiles - 1 ? tile_rows : rows - (tiles - 1) * tile_rows;
    }
    __device__ int row_lanes() const { return kThreads / width; }
    __device__ int row_lane() const { return static_cast<int>(threadIdx.x) / width; }
    __device__ Index column() const {
        return (static_cast<Index>(blockIdx.y) * width + static_cast<int>(threadIdx.x) % width) *
               chunk;
    }
    /// The end of the columns whose sums this thread gives away: none, unless it is in row lane 0.
    __device__ Index given_columns() const { return row_lane() == 0 ? C : 0; }
    __device__ Index first_row() const {
        return static_cast<Index>(blockIdx.x) * tile_rows + row_lane();
    }
    __device__ Index end_row() const {
        return min(rows, (static_cast<Index>(blockIdx.x) + 1) * tile_rows);
    }
};

}  // namespace fovea::kernels::cuda
