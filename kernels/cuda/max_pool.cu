// Maximum pooling of channels-last maps, x [N, H, W, C] and y [N, P, Q, C].
//
// Forward: a thread owns a chunk of channels of an output pixel and goes through its window; the
// first maximum wins, and NaN wins over everything. It stores y and where the maximum was. Backward: a
// thread owns a chunk of an input pixel and gathers dy from the windows that hold the pixel and chose
// it, in their order: no atomics, the same bits on every run. Overlapping windows read their inputs
// again from the L1 cache; from memory x (y, index) is read once and y, index (dx) written once.
#include "kernels/cuda/maps.cuh"
#include "kernels/cuda/pool_windows.cuh"

namespace fovea::kernels::cuda {
namespace {

using Position = std::int32_t;  // h * W + w

template <int V>
__device__ __forceinline__ void load_positions(Position (&at)[V], const Position* p) {
    if constexpr (V == 1) {
        at[0] = *p;
    } else {
#pragma unroll
        for (int i = 0; i < V; i += 4)
            *reinterpret_cast<int4*>(at + i) = *reinterpret_cast<const int4*>(p + i);
    }
}

template <int V>
__device__ __forceinline__ void store_positions(Position* p, const Position (&at)[V]) {
    if constexpr (V == 1) {
        *p = at[0];
    } else {
#pragma unroll
        for (int i = 0; i < V; i += 4)
            *reinterpret_cast<int4*>(p + i) = *reinterpret_cast<const int4*>(at + i);
    }
}

/// index may be null.
template <class T, int V>
__global__ void __launch_bounds__(256, 4)
    forward_pixels(T* __restrict__ y, Position* __restrict__ index, const T* __restrict__ x,
                   FixedWindows rows, FixedWindows columns, Maps maps) {
    const MapRow block(maps.P);
    const Range h = rows.inputs(block.row);
    for_each_chunk<V>(maps.Q, maps.C, [&](int q, int c) {
        const Range w = columns.inputs(q);
        float best[V];
        alignas(16) Position at[V];
#pragma unroll
        for (int i = 0; i < V; ++i) {
            best[i] = -INFINITY;
            at[i] = h.begin * maps.W + w.begin;
        }
        for (int row = h.begin; row < h.end; ++row)
#pragma unroll 4
            for (int column = w.begin; column < w.end; ++column) {
                float v[V];
                load_chunk<V>(v, x + maps.x_at(block.n, row, column) + c);
#pragma unroll
                for (int i = 0; i < V; ++i)
                    if (v[i] > best[i] || (isnan(v[i]) && !isnan(best[i]))) {
                        best[i] = v[i];
                        at[i] = row * maps.W + column;
                    }
            }
        const Index to = maps.y_at(block.n, block.row, q) + c;
        store_chunk<V>(y + to, best);
        if (index != nullptr) store_positions<V>(index + to, at);
    });
}

template <class T, int V>
__global__ void __launch_bounds__(256, 4)
    backward_pixels(T* __restrict__ dx, const T* __restrict__ dy,
                    const Position* __restrict__ index, FixedWindows rows, FixedWindows columns,
                    Maps maps) {
    const MapRow block(maps.H);
    const Range p = rows.holders(block.row);
    for_each_chunk<V>(maps.W, maps.C, [&](int w, int c) {
        const Range q = columns.holders(w);
        const Position here = block.row * maps.W + w;
        float sum[V] = {};
        for (int row = p.begin; row < p.end; ++row)
            for (int column = q.begin; column < q.end; ++column) {
                const Index from = maps.y_at(block.n, row, column) + c;
                float g[V];
                alignas(16) Position at[V];
                load_chunk<V>(g, dy + from);
                load_positions<V>(at, index + from);
#pragma unroll
                for (int i = 0; i < V; ++i) sum[i] += at[i] == here ? g[i] : 0.0f;
            }
        store_chunk<V>(dx + maps.x_at(block.n, block.row, w) + c, sum);
    });
}

}  // namespace

void max_pool_forward(const Stream& stream, View y, View index, CView x, const PoolParams& params) {
    const Maps maps(x, y);
    const FixedWindows rows(params, 0, maps.H, maps.P), columns(params, 1, maps.W, maps.Q);
    with_float(x.dtype, [&]<class T>(std::type_identity<T>) {
        const bool fits = chunks_fit<T>(maps.C, y.as<T>(), x.as<T>(), index.as<Position>());
        with_chunk<T>(fits, [&]<int V>(std::integral_constant<int, V>) {
            launch(stream, maps.over_y(V), forward_pixels<T, V>, y.as<T>(), index.as<Position>(),
                   x.as<T>(), rows, columns, maps);
        });
    });
}

void max_pool_backward(const Stream& stream, View dx, CView dy, CView index,
                       const PoolParams& params) {
    const Maps maps(dx, dy);
    const FixedWindows rows(params, 0, maps.H, maps.P), columns(params, 1, maps.W, maps.Q);
    with_float(dx.dtype, [&]<class T>(std::type_identity<T>) {
        const bool fits = chunks_fit<T>(maps.C, dx.as<T>(), dy.as<T>(), index.as<Position>());
        with_chunk<T>(fits, [&]<int V>(std::integral_constant<int, V>) {
            launch(stream, maps.over_x(V), backward_pixels<T, V>, dx.as<T>(), dy.as<T>(),
                   index.as<Position>(), rows, columns, maps);
        });
    });
}

}  // namespace fovea::kernels::cuda
