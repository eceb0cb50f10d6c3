// Linear layers, weight and bias gradient: dw [N,K] = dy^T [N,M] x [M,K], dbias [N] = column sums.
//
// Narrow layers (first stages of CvT and Swin) sum over tens of thousands of rows into a dw that fits
// into L1. The library divides that poorly among threads, and the bias costs another pass over dy.
// Here each thread takes a fixed range of rows and sums it into a partial result of its own, chunk by
// chunk: the chunk's rows of dy and x stay in cache while every tile of dw passes over them with its
// sums in registers (no packing: rows are dense already), and dbias comes along. Partial results are
// added in order, so the bits depend on the number of threads only. Measured on two cores, 50176
// rows, 32 x 32 with bias: 339 GFLOP/s against 240; from N + K = 256 on the library is as fast.
#include <omp.h>

#include <algorithm>
#include <oneapi/dnnl/dnnl.hpp>

#include "kernels/cpu/channel_block.h"
#include "kernels/cpu/column_sum.h"
#include "kernels/cpu/scratch.h"
#include "kernels/include/matmul.h"

namespace fovea::kernels::cpu {
namespace {

constexpr std::int64_t kChunkBytes = 192 << 10;  // of dy and x together: within L2
constexpr std::int64_t kNarrow = 192;            // N + K up to which the library is slower

#if defined(__AVX512F__)
constexpr int kTileRows = 8;  // 8 x 2 sums, 2 of x: 19 of 32 registers
#else
constexpr int kTileRows = 4;  // 4 x 2 sums, 2 of x: 11 of 16 registers
#endif

/// Rows of dy [rows,N] and x [rows,K], and the partial dw [N,K] they are added to.
struct Chunk {
    const float *dy, *x;
    float* dw;
    std::int64_t rows, N, K;
};

/// `height` rows x `width` vectors of dw, at dw[n][k].
template <class V, int width, int height>
inline void add_tile(const Chunk& chunk, std::int64_t n, std::int64_t k) {
    constexpr int lanes = sizeof(V) / sizeof(float);  // NOLINT(bugprone-sizeof-expression): or 1
    float* dw = chunk.dw + n * chunk.K + k;
    V sum[height][width];
#pragma GCC unroll 8
    for (int i = 0; i < height; ++i)
#pragma GCC unroll 4
        for (int j = 0; j < width; ++j) sum[i][j] = load<V>(dw + i * chunk.K + j * lanes);

    const float* dy = chunk.dy + n;
    const float* x = chunk.x + k;
    for (std::int64_t m = 0; m < chunk.rows; ++m, dy += chunk.N, x += chunk.K) {
        V row[width];
#pragma GCC unroll 4
        for (int j = 0; j < width; ++j) row[j] = load<V>(x + j * lanes);
#pragma GCC unroll 8
        for (int i = 0; i < height; ++i)
#pragma GCC unroll 4
            for (int j = 0; j < width; ++j) sum[i][j] += dy[i] * row[j];
    }

#pragma GCC unroll 8
    for (int i = 0; i < height; ++i)
#pragma GCC unroll 4
        for (int j = 0; j < width; ++j) store(dw + i * chunk.K + j * lanes, sum[i][j]);
}

/// All rows of dw from n on, in tiles of `height`, then of smaller ones.
template <class V, int width, int height = kTileRows>
void add_columns(const Chunk& chunk, std::int64_t k, std::int64_t n = 0) {
    for (; n + height <= chunk.N; n += height) add_tile<V, width, height>(chunk, n, k);
    if constexpr (height > 1) add_columns<V, width, height / 2>(chunk, k, n);
}

void add_chunk(const Chunk& chunk) {
    using V = ChannelBlock<kLanes>::type;
    std::int64_t k = 0;
    for (; k + 2 * kLanes <= chunk.K; k += 2 * kLanes) add_columns<V, 2>(chunk, k);
    for_channel_blocks(
        chunk.K, [&](auto block, std::int64_t c) { add_columns<decltype(block), 1>(chunk, c); }, k);
}

void add_bias(const Chunk& chunk, float* bias) {
    for (std::int64_t m = 0; m < chunk.rows; ++m) {
        const float* dy = chunk.dy + m * chunk.N;
#pragma omp simd
        for (std::int64_t n = 0; n < chunk.N; ++n) bias[n] += dy[n];
    }
}

}  // namespace

void linear_backward_weight(const Stream& stream, View dw, View dbias, CView dy, CView x,
                            GradMode mode) {
    if (mode == GradMode::Ignore || dw.numel() == 0) return;
    const std::int64_t M = dy.dim(0), N = dy.dim(1), K = x.dim(1);
    if (M == 0) {  // an empty sum
        if (mode == GradMode::Overwrite) fill(stream, dw, 0.0);
        if (mode == GradMode::Overwrite && dbias) fill(stream, dbias, 0.0);
        return;
    }
    if (N + K > kNarrow) {
        const float keep = mode == GradMode::Accumulate ? 1.0F : 0.0F;
        dnnl_sgemm('T', 'N', N, K, M, 1.0F, dy.as<float>(), N, x.as<float>(), K, keep,
                   dw.as<float>(), K);
        if (dbias) column_sum(dbias.as<float>(), dy.as<float>(), M, N, mode);
        return;
    }

    const std::int64_t parts = std::min<std::int64_t>(omp_get_max_threads(), (M + 63) / 64);
    const std::int64_t stride = (N * K + N + 15) / 16 * 16;  // dw and dbias, whole cache lines
    const std::int64_t rows = kChunkBytes / (static_cast<std::int64_t>(sizeof(float)) * (N + K));
    float* partials = scratch_floats(ScratchSlot::Work, static_cast<std::size_t>(parts * stride));
#pragma omp parallel for schedule(static)
    for (std::int64_t part = 0; part < parts; ++part) {
        float* sums = partials + part * stride;
        std::fill_n(sums, N * K + N, 0.0F);
        const std::int64_t end = M * (part + 1) / parts;
        for (std::int64_t m = M * part / parts; m < end; m += rows) {
            const Chunk chunk{
                dy.as<float>() + m * N, x.as<float>() + m * K, sums, std::min(rows, end - m), N, K};
            add_chunk(chunk);
            if (dbias) add_bias(chunk, sums + N * K);
        }
    }
    add_partials(dw.as<float>(), partials, parts, stride, N * K, mode);
    if (dbias) add_partials(dbias.as<float>(), partials + N * K, parts, stride, N, mode);
}

}  // namespace fovea::kernels::cpu
