// y[.., p] = x[.., p] where the last axis p lies dense in y and another axis q lies dense in x: NHWC to
// NCHW, matrices to their transposes. The other axes are a batch.
//
// A block moves a tile of kSide x kSide elements through shared memory: rows along q in, rows along p
// out, both coalesced; 32 x 32 elements, or 64 x 64 of at most 2 bytes. Rows of the tile are padded by
// one word, so that 32 lanes reading down a column meet 32 banks. Elements of 4 or 8 bytes go straight
// to shared memory (cp.async), all rows of a thread at once. Reads x once, writes y once.
#include <cuda_pipeline.h>

#include "kernels/cuda/copy.h"
#include "kernels/cuda/numbers.cuh"
#include "kernels/cuda/strided.cuh"

namespace fovea::kernels::cuda {
namespace {

constexpr int kThreads = 256;

template <class To, class From>
struct Tile {
    static constexpr int kSide = sizeof(To) <= 2 && sizeof(From) <= 2 ? 64 : 32;
    static constexpr int kPitch = kSide + (sizeof(From) <= 2 ? 2 : 1);
    static constexpr int kRows = kThreads / kSide;  ///< rows moved at a time
};

/// P, Q: extents; x_step along p, y_step along q. Blocks: q tiles, fastest, p tiles, batch.
template <class To, class From>
__global__ void __launch_bounds__(kThreads)
    transpose_kernel(To* __restrict__ y, const From* __restrict__ x, Index P, Index Q, Index x_step,
                     Index y_step, const __grid_constant__ Divider q_tiles,
                     const __grid_constant__ Divider p_tiles,
                     const __grid_constant__ Walk<2> batch) {
    using Tile = Tile<To, From>;
    __shared__ From tile[Tile::kSide][Tile::kPitch];  // (p, q)
    const std::uint32_t rest = q_tiles.quotient(blockIdx.x), number = p_tiles.quotient(rest);
    const Index q0 = static_cast<Index>(blockIdx.x - rest * q_tiles.divisor) * Tile::kSide;
    const Index p0 = static_cast<Index>(rest - number * p_tiles.divisor) * Tile::kSide;
    Index at[2] = {p0 + q0 * y_step, q0 + p0 * x_step};
    batch.add_offsets(number, at);

    const int lane = static_cast<int>(threadIdx.x) % Tile::kSide;
    const int first = static_cast<int>(threadIdx.x) / Tile::kSide;
#pragma unroll
    for (int row = 0; row < Tile::kSide; row += Tile::kRows) {
        const int p = row + first;
        if (p0 + p >= P || q0 + lane >= Q) continue;
        const From* const from = x + at[1] + p * x_step + lane;
        if constexpr (sizeof(From) >= 4)
            __pipeline_memcpy_async(&tile[p][lane], from, sizeof(From));
        else
            tile[p][lane] = *from;
    }
    __pipeline_commit();
    __pipeline_wait_prior(0);
    __syncthreads();
#pragma unroll
    for (int row = 0; row < Tile::kSide; row += Tile::kRows) {
        const int q = row + first;
        if (p0 + lane >= P || q0 + q >= Q) continue;
        if constexpr (std::is_same_v<To, From>)
            y[at[0] + q * y_step + lane] = tile[lane][q];
        else
            y[at[0] + q * y_step + lane] = from_float<To>(to_float(tile[lane][q]));
    }
}

template <class To, class From>
void transpose(const Stream& stream, const CopyLoop& all, int axis, View y, CView x) {
    constexpr Index side = Tile<To, From>::kSide;
    for_each_piece(all, [&](const CopyLoop& loop, const Offsets<2>& start) {
        CopyLoop batch;
        for (int i = 0; i + 1 < loop.shape.rank; ++i)
            if (i != axis) batch.push(loop.shape[i], {loop.strides[0][i], loop.strides[1][i]});
        const Index P = loop.shape[-1], Q = loop.shape[axis];
        const Index p_tiles = ceil_div(P, side), q_tiles = ceil_div(Q, side);
        const auto blocks = static_cast<unsigned>(q_tiles * p_tiles * batch.shape.numel());
        launch(stream, {blocks, kThreads}, transpose_kernel<To, From>, y.as<To>() + start.at[0],
               x.as<From>() + start.at[1], P, Q, loop.strides[1][-1], loop.strides[0][axis],
               Divider(q_tiles), Divider(p_tiles), Walk<2>(batch));
    });
}

}  // namespace

void copy_transposed(const Stream& stream, const CopyLoop& loop, int axis, View y, CView x) {
    if (x.dtype != y.dtype)
        return y.dtype == DType::F32 ? transpose<float, BFloat16>(stream, loop, axis, y, x)
                                     : transpose<BFloat16, float>(stream, loop, axis, y, x);
    switch (size_of(y.dtype)) {
        case 8: return transpose<std::uint64_t, std::uint64_t>(stream, loop, axis, y, x);
        case 4: return transpose<std::uint32_t, std::uint32_t>(stream, loop, axis, y, x);
        case 2: return transpose<std::uint16_t, std::uint16_t>(stream, loop, axis, y, x);
        default: return transpose<std::uint8_t, std::uint8_t>(stream, loop, axis, y, x);
    }
}

}  // namespace fovea::kernels::cuda
