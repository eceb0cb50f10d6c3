// BatchNorm, backward. With xhat = (x - mean) rstd, over the R rows of x, dy, dx [R, C]:
//     dw = sum of dy xhat,   db = sum of dy,
//     training    dx = w rstd (dy - db / R - xhat dw / R)
//     inference   dx = w rstd dy
// First kernel: sums of every tile of rows (columns.cuh), dx too in inference. Second kernel
// (partial_sums.cu): the tiles in order. Third, in training: dx. Training reads x and dy twice and writes
// dx, 10 bytes an element in BF16, inference reads them once (6 bytes). No atomics: the same bits on
// every run.
#include "kernels/cuda/columns.cuh"
#include "kernels/cuda/partial_sums.h"
#include "kernels/cuda/workspace.h"
#include "kernels/include/norm.h"

namespace fovea::kernels::cuda {
namespace {

/// Adds up V values of all row lanes of a column, as a tree; the sums end in row lane 0.
template <int V>
__device__ __forceinline__ void add_row_lanes(float (&sum)[V],
                                              float (&scratch)[V][ColumnTiles::kThreads],
                                              const ColumnTiles& tiles) {
    const int row_lane = tiles.row_lane(), thread = static_cast<int>(threadIdx.x);
    for (int half = tiles.row_lanes() / 2; half > 0; half /= 2) {
        __syncthreads();
        if (row_lane >= half && row_lane < 2 * half) {
#pragma unroll
            for (int i = 0; i < V; ++i) scratch[i][thread] = sum[i];
        }
        __syncthreads();
        if (row_lane < half) {
#pragma unroll
            for (int i = 0; i < V; ++i) sum[i] += scratch[i][thread + half * tiles.width];
        }
    }
}

/// partials [tiles, 2, C]: dw and db of every tile. Running (inference): `spread` is a variance, and dx
/// is written unless null; else `spread` is rstd.
template <class T, int V, bool Running>
__global__ void __launch_bounds__(ColumnTiles::kThreads)
    tile_sums(T* __restrict__ dx, float* __restrict__ partials, const T* __restrict__ dy,
              const T* __restrict__ x, const float* __restrict__ w, const float* __restrict__ mean,
              const float* __restrict__ spread, ColumnTiles tiles, float eps) {
    __shared__ float scratch[V][ColumnTiles::kThreads];
    const Index column = tiles.column();
    float dw[V] = {}, db[V] = {}, m[V], rstd[V], scale[V];
    load_together<V>(m, mean, column, tiles.C);
    load_together<V>(rstd, spread, column, tiles.C);
    load_together_or<V>(scale, w, column, tiles.C, 1.0f);
    if (column < tiles.C) {
#pragma unroll
        for (int i = 0; i < V; ++i) {
            if constexpr (Running) rstd[i] = 1.0f / sqrtf(rstd[i] + eps);
            scale[i] *= rstd[i];
        }
#pragma unroll 2
        for (Index row = tiles.first_row(); row < tiles.end_row(); row += tiles.row_lanes()) {
            float v[V], g[V];
            load_chunk<V>(v, x + row * tiles.C + column);
            load_chunk<V>(g, dy + row * tiles.C + column);
#pragma unroll
            for (int i = 0; i < V; ++i) {
                dw[i] += g[i] * ((v[i] - m[i]) * rstd[i]);
                db[i] += g[i];
                g[i] *= scale[i];
            }
            if constexpr (Running) {
                if (dx != nullptr) store_chunk<V>(dx + row * tiles.C + column, g);
            }
        }
    }
    add_row_lanes(dw, scratch, tiles);
    add_row_lanes(db, scratch, tiles);
    float* const out = partials + static_cast<Index>(blockIdx.x) * 2 * tiles.C;
    store_together<V>(out, column, tiles.given_columns(), dw);
    store_together<V>(out + tiles.C, column, tiles.given_columns(), db);
}

/// Training's dx; sums [2, C] holds dw and db of all rows.
template <class T, int V>
__global__ void __launch_bounds__(ColumnTiles::kThreads)
    input_gradient(T* __restrict__ dx, const T* __restrict__ dy, const T* __restrict__ x,
                   const float* __restrict__ w, const float* __restrict__ mean,
                   const float* __restrict__ rstd, const float* __restrict__ sums,
                   ColumnTiles tiles) {
    const Index column = tiles.column();
    // dx = scale (dy - offset - (x - mean) slope)
    float m[V], scale[V], slope[V], offset[V], weight[V];
    load_together<V>(m, mean, column, tiles.C);
    load_together<V>(scale, rstd, column, tiles.C);
    load_together_or<V>(weight, w, column, tiles.C, 1.0f);
    load_together<V>(slope, sums, column, tiles.C);
    load_together<V>(offset, sums + tiles.C, column, tiles.C);
    if (column >= tiles.C) return;
    const float inverse = 1.0f / static_cast<float>(tiles.rows);
#pragma unroll
    for (int i = 0; i < V; ++i) {
        slope[i] *= inverse * scale[i];
        offset[i] *= inverse;
        scale[i] *= weight[i];
    }
#pragma unroll 2
    for (Index row = tiles.first_row(); row < tiles.end_row(); row += tiles.row_lanes()) {
        float v[V], g[V];
        load_chunk<V>(v, x + row * tiles.C + column);
        load_chunk<V>(g, dy + row * tiles.C + column);
#pragma unroll
        for (int i = 0; i < V; ++i) g[i] = scale[i] * (g[i] - offset[i] - (v[i] - m[i]) * slope[i]);
        store_chunk<V>(dx + row * tiles.C + column, g);
    }
}

/// dx = dy w / sqrt(var + eps): inference with frozen parameters, where x is not needed.
template <class T, int V>
__global__ void __launch_bounds__(ColumnTiles::kThreads)
    scale_columns(T* __restrict__ dx, const T* __restrict__ dy, const float* __restrict__ w,
                  const float* __restrict__ var, ColumnTiles tiles, float eps) {
    const Index column = tiles.column();
    float scale[V], variance[V];
    load_together_or<V>(scale, w, column, tiles.C, 1.0f);
    load_together<V>(variance, var, column, tiles.C);
    if (column >= tiles.C) return;
#pragma unroll
    for (int i = 0; i < V; ++i) scale[i] /= sqrtf(variance[i] + eps);
#pragma unroll 4
    for (Index row = tiles.first_row(); row < tiles.end_row(); row += tiles.row_lanes()) {
        float g[V];
        load_chunk<V>(g, dy + row * tiles.C + column);
#pragma unroll
        for (int i = 0; i < V; ++i) g[i] *= scale[i];
        store_chunk<V>(dx + row * tiles.C + column, g);
    }
}

bool wanted(const View& dw, const View& db, GradMode mode) {
    return (dw || db) && mode != GradMode::Ignore;
}

}  // namespace

void batch_norm_backward_train(const Stream& stream, View dx, View dw, View db, CView dy, CView x,
                               CView w, CView mean, CView rstd, GradMode param_mode) {
    const Index C = x.dim(-1);
    if (C == 0 || (!dx && !wanted(dw, db, param_mode))) return;
    const Index rows = x.numel() / C;
    with_float(x.dtype, [&]<class T>(std::type_identity<T>) {
        const bool fits = chunks_fit<T>(C, dx.as<T>(), dy.as<T>(), x.as<T>(), w.as<float>(),
                                        mean.as<float>(), rstd.as<float>());
        with_chunk<T>(fits, [&]<int V>(std::integral_constant<int, V>) {
            const ColumnTiles tiles(rows, C, V);
            float* const sums =
                workspace<float>(stream, static_cast<std::size_t>((1 + tiles.tiles) * 2 * C));
            float* const partials = sums + 2 * C;
            launch(stream, tiles.launch(), tile_sums<T, V, false>, static_cast<T*>(nullptr),
                   partials, dy.as<T>(), x.as<T>(), w.as<float>(), mean.as<float>(),
                   rstd.as<float>(), tiles, 0.0f);
            sum_partials(stream, dw.as<float>(), db.as<float>(), partials, tiles.tiles, C,
                         param_mode, sums);
            if (dx)
                launch(stream, tiles.launch(), input_gradient<T, V>, dx.as<T>(), dy.as<T>(),
                       x.as<T>(), w.as<float>(), mean.as<float>(), rstd.as<float>(), sums, tiles);
        });
    });
}

void batch_norm_backward_eval(const Stream& stream, View dx, View dw, View db, CView dy, CView x,
                              CView w, CView running_mean, CView running_var, double eps,
                              GradMode param_mode) {
    const Index C = dy.dim(-1);
    const bool want_parameters = wanted(dw, db, param_mode);
    if (C == 0 || (!dx && !want_parameters)) return;
    const Index rows = dy.numel() / C;
    with_float(dy.dtype, [&]<class T>(std::type_identity<T>) {
        const bool fits = chunks_fit<T>(C, dx.as<T>(), dy.as<T>(), x.as<T>(), w.as<float>(),
                                        running_mean.as<float>(), running_var.as<float>());
        with_chunk<T>(fits, [&]<int V>(std::integral_constant<int, V>) {
            const ColumnTiles tiles(rows, C, V);
            if (!want_parameters)
                return launch(stream, tiles.launch(), scale_columns<T, V>, dx.as<T>(), dy.as<T>(),
                              w.as<float>(), running_var.as<float>(), tiles,
                              static_cast<float>(eps));
            float* const partials =
                workspace<float>(stream, static_cast<std::size_t>(tiles.tiles * 2 * C));
            launch(stream, tiles.launch(), tile_sums<T, V, true>, dx.as<T>(), partials, dy.as<T>(),
                   x.as<T>(), w.as<float>(), running_mean.as<float>(), running_var.as<float>(),
                   tiles, static_cast<float>(eps));
            sum_partials(stream, dw.as<float>(), db.as<float>(), partials, tiles.tiles, C,
                         param_mode);
        });
    });
}

}  // namespace fovea::kernels::cuda
