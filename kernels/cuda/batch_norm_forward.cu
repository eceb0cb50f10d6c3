// BatchNorm, forward: y = (x - mean) rstd w + b with one mean and rstd a column of x [R, C].
//
// Training takes three kernels: tiles of rows get their {count, mean, squares} from registers, one
// kernel merges those of a column in the order of the tiles and moves the running statistics, one
// normalises. x is read twice and y written once, 6 bytes an element in BF16, the least that can be
// done without recomputing x. Inference is the last kernel alone (4 bytes). No atomics and tiles
// that depend on the shape only: the same bits on every run.
#include "kernels/cuda/batch_norm_statistics.cuh"
#include "kernels/cuda/workspace.h"
#include "kernels/include/norm.h"

namespace fovea::kernels::cuda {
namespace {

/// partials [tiles, 2, C]: mean and squares of every tile.
template <class T, int V>
__global__ void __launch_bounds__(ColumnTiles::kThreads)
    tile_statistics(float* __restrict__ partials, const T* __restrict__ x, ColumnTiles tiles) {
    constexpr int kRows = 4;  // that a thread holds at a time
    __shared__ float counts[ColumnTiles::kThreads];
    __shared__ float means[V][ColumnTiles::kThreads], squares[V][ColumnTiles::kThreads];
    const Index column = tiles.column(), end = tiles.end_row();
    const bool inside = column < tiles.C;
    const int step = tiles.row_lanes(), thread = static_cast<int>(threadIdx.x);

    Moments<V> all;
    for (Index row = tiles.first_row(); inside && row < end; row += kRows * step) {
        float v[kRows][V] = {};
        int n = 0;
#pragma unroll
        for (int r = 0; r < kRows; ++r) {
            if (row + r * step >= end) continue;
            load_chunk<V>(v[r], x + (row + r * step) * tiles.C + column);
            ++n;
        }
        all.merge(moments_of(v, n));
    }

    // The row lanes of a column, as a tree.
    const int row_lane = tiles.row_lane();
    for (int half = step / 2; half > 0; half /= 2) {
        __syncthreads();
        if (row_lane >= half && row_lane < 2 * half) {
            counts[thread] = all.count;
#pragma unroll
            for (int i = 0; i < V; ++i) {
                means[i][thread] = all.mean[i];
                squares[i][thread] = all.squares[i];
            }
        }
        __syncthreads();
        if (row_lane < half) {
            const int from = thread + half * tiles.width;
            Moments<V> other;
            other.count = counts[from];
#pragma unroll
            for (int i = 0; i < V; ++i) {
                other.mean[i] = means[i][from];
                other.squares[i] = squares[i][from];
            }
            all.merge(other);
        }
    }
    float* const out = partials + static_cast<Index>(blockIdx.x) * 2 * tiles.C;
    store_together<V>(out, column, tiles.given_columns(), all.mean);
    store_together<V>(out + tiles.C, column, tiles.given_columns(), all.squares);
}

struct RunningStatistics {
    float *mean, *var;  ///< [C], or null
    float keep, take;   ///< running = keep * running + take * batch
};

constexpr int kRuns = 16;  // threads that share a column's tiles
constexpr int kMergeThreads = kRuns * kWarp;

/// mean, rstd [C] from partials [tiles, 2, C].
__global__ void __launch_bounds__(kMergeThreads)
    merge_statistics(float* __restrict__ mean, float* __restrict__ rstd,
                     const float* __restrict__ partials, RunningStatistics running,
                     ColumnTiles tiles, float eps) {
    __shared__ float counts[kRuns], means[kRuns][kWarp], squares[kRuns][kWarp];
    const Index column = static_cast<Index>(blockIdx.x) * kWarp + threadIdx.x;
    const Index run = (tiles.tiles + kRuns - 1) / kRuns;
    const Index begin = run * threadIdx.y, end = min(begin + run, tiles.tiles);

    Moments<1> all;
    for (Index tile = begin; column < tiles.C && tile < end; ++tile) {
        const float* p = partials + tile * 2 * tiles.C + column;
        Moments<1> other;
        other.count = static_cast<float>(tiles.rows_of(tile));
        other.mean[0] = p[0];
        other.squares[0] = p[tiles.C];
        all.merge(other);
    }
    if (threadIdx.x == 0) counts[threadIdx.y] = all.count;  // of a column that exists
    means[threadIdx.y][threadIdx.x] = all.mean[0];
    squares[threadIdx.y][threadIdx.x] = all.squares[0];
    __syncthreads();
    if (threadIdx.y != 0 || column >= tiles.C) return;
    for (int r = 1; r < kRuns; ++r) {
        Moments<1> other;
        other.count = counts[r];
        other.mean[0] = means[r][threadIdx.x];
        other.squares[0] = squares[r][threadIdx.x];
        all.merge(other);
    }

    const float variance = all.squares[0] / all.count;
    mean[column] = all.mean[0];
    rstd[column] = 1.0f / sqrtf(variance + eps);
    if (running.mean != nullptr)
        running.mean[column] = running.keep * running.mean[column] + running.take * all.mean[0];
    if (running.var != nullptr) {
        const float unbiased = all.squares[0] / fmaxf(all.count - 1.0f, 1.0f);
        running.var[column] = running.keep * running.var[column] + running.take * unbiased;
    }
}

/// y = (x - mean) spread w + b. Running: `spread` is a variance, else already 1 / sqrt(var + eps).
template <class T, int V, bool Running>
__global__ void __launch_bounds__(ColumnTiles::kThreads, 4)
    normalise_columns(T* __restrict__ y, const T* __restrict__ x, const float* __restrict__ mean,
                      const float* __restrict__ spread, const float* __restrict__ w,
                      const float* __restrict__ b, ColumnTiles tiles, float eps) {
    const Index column = tiles.column();
    float m[V], scale[V], weight[V], bias[V];
    load_together<V>(m, mean, column, tiles.C);
    load_together<V>(scale, spread, column, tiles.C);
    load_together_or<V>(weight, w, column, tiles.C, 1.0f);
    load_together_or<V>(bias, b, column, tiles.C, 0.0f);
    if (column >= tiles.C) return;
#pragma unroll
    for (int i = 0; i < V; ++i) {
        if constexpr (Running) scale[i] = 1.0f / sqrtf(scale[i] + eps);
        scale[i] *= weight[i];
    }
#pragma unroll 4
    for (Index row = tiles.first_row(); row < tiles.end_row(); row += tiles.row_lanes()) {
        float v[V];
        load_chunk<V>(v, x + row * tiles.C + column);
#pragma unroll
        for (int i = 0; i < V; ++i) v[i] = (v[i] - m[i]) * scale[i] + bias[i];
        store_chunk<V>(y + row * tiles.C + column, v);
    }
}

}  // namespace

void batch_norm_forward_train(const Stream& stream, View y, View mean, View rstd, View running_mean,
                              View running_var, CView x, CView w, CView b, double eps,
                              double momentum) {
    if (x.numel() == 0) return;
    const Index C = x.dim(-1), rows = x.numel() / C;
    const RunningStatistics running{running_mean.as<float>(), running_var.as<float>(),
                                    static_cast<float>(1.0 - momentum),
                                    static_cast<float>(momentum)};
    with_float(x.dtype, [&]<class T>(std::type_identity<T>) {
        const bool fits = chunks_fit<T>(C, y.as<T>(), x.as<T>(), mean.as<float>(), rstd.as<float>(),
                                        w.as<float>(), b.as<float>());
        with_chunk<T>(fits, [&]<int V>(std::integral_constant<int, V>) {
            const ColumnTiles tiles(rows, C, V);
            // The statistics themselves, where the caller does not want them, and the partials.
            float* const own =
                workspace<float>(stream, static_cast<std::size_t>((1 + tiles.tiles) * 2 * C));
            float* const means = mean ? mean.as<float>() : own;
            float* const rstds = rstd ? rstd.as<float>() : own + C;
            float* const partials = own + 2 * C;
            launch(stream, tiles.launch(), tile_statistics<T, V>, partials, x.as<T>(), tiles);
            launch(stream, {dim3(static_cast<unsigned>(ceil_div(C, kWarp))), dim3(kWarp, kRuns)},
                   merge_statistics, means, rstds, partials, running, tiles,
                   static_cast<float>(eps));
            launch(stream, tiles.launch(), normalise_columns<T, V, false>, y.as<T>(), x.as<T>(),
                   means, rstds, w.as<float>(), b.as<float>(), tiles, 0.0f);
        });
    });
}

void batch_norm_forward_eval(const Stream& stream, View y, CView x, CView w, CView b,
                             CView running_mean, CView running_var, double eps) {
    if (x.numel() == 0) return;
    const Index C = x.dim(-1), rows = x.numel() / C;
    with_float(x.dtype, [&]<class T>(std::type_identity<T>) {
        const bool fits = chunks_fit<T>(C, y.as<T>(), x.as<T>(), running_mean.as<float>(),
                                        running_var.as<float>(), w.as<float>(), b.as<float>());
        with_chunk<T>(fits, [&]<int V>(std::integral_constant<int, V>) {
            const ColumnTiles tiles(rows, C, V);
            launch(stream, tiles.launch(), normalise_columns<T, V, true>, y.as<T>(), x.as<T>(),
                   running_mean.as<float>(), running_var.as<float>(), w.as<float>(), b.as<float>(),
                   tiles, static_cast<float>(eps));
        });
    });
}

}  // namespace fovea::kernels::cuda
