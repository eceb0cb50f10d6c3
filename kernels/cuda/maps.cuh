// Kernels that go over the pixels of channels-last maps [N, rows, columns, C]: a block takes one row of
// pixels of one image, its threads the chunks (chunk.cuh) of that row one after another, so that
// neighbouring threads touch neighbouring channels and then neighbouring pixels.
#pragma once

#include "kernels/cuda/chunk.cuh"

namespace fovea::kernels::cuda {

/// Extents of the maps on both sides: x and dx [N, H, W, C], y and dy [N, P, Q, C].
struct Maps {
    Index N;
    int H, W, P, Q, C;

    Maps(const CView& x, const CView& y)
        : N(x.dim(0)), H(static_cast<int>(x.dim(1))), W(static_cast<int>(x.dim(2))),
          P(static_cast<int>(y.dim(1))), Q(static_cast<int>(y.dim(2))),
          C(static_cast<int>(x.dim(3))) {}

    /// Offsets of pixels.
    __device__ Index x_at(Index n, int h, int w) const { return ((n * H + h) * W + w) * C; }
    __device__ Index y_at(Index n, int p, int q) const { return ((n * P + p) * Q + q) * C; }

    /// One block for every row of x or of y.
    Launch over_x(int V) const { return over(H, W, V); }
    Launch over_y(int V) const { return over(P, Q, V); }

private:
    Launch over(Index rows, Index columns, int V) const {
        const Index warps = std::clamp<Index>(ceil_div(columns * (C / V), 32), 1, 8);
        return {dim3(static_cast<unsigned>(columns * C == 0 ? 0 : N * rows)),
                dim3(static_cast<unsigned>(warps * 32))};
    }
};

/// The block's image and row, of maps with `rows` rows.
struct MapRow {
    Index n;
    int row;
    __device__ explicit MapRow(int rows)
        : n(blockIdx.x / static_cast<unsigned>(rows)),
          row(static_cast<int>(blockIdx.x % static_cast<unsigned>(rows))) {}
};

/// f(column, channel) for every chunk of V channels of the block's row that is this thread's.
template <int V, class F>
__device__ __forceinline__ void for_each_chunk(int columns, int C, F f) {
    const unsigned chunks = static_cast<unsigned>(C / V);
    for (unsigned i = threadIdx.x; i < chunks * static_cast<unsigned>(columns); i += blockDim.x)
        f(static_cast<int>(i / chunks), static_cast<int>(i % chunks) * V);
}

/// The same in all lanes of a warp together, for functions that exchange numbers: the last warps also
/// call f for chunks behind the row, where column >= columns.
template <int V, class F>
__device__ __forceinline__ void for_each_chunk_together(int columns, int C, F f) {
    const unsigned chunks = static_cast<unsigned>(C / V);
    for (unsigned first = 0; first < chunks * static_cast<unsigned>(columns); first += blockDim.x) {
        const unsigned i = first + threadIdx.x;
        f(static_cast<int>(i / chunks), static_cast<int>(i % chunks) * V);
    }
}

}  // namespace fovea::kernels::cuda
