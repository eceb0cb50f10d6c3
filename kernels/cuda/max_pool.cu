// Maximum pooling of channels-last maps, x [N, H, W, C] and y [N, P, Q, C].
//
// Forward: a thread owns a chunk of channels of an output pixel and goes through its window; the
// first maximum wins, and NaN wins over everything. It stores y and where the maximum was. Backward: a
// thread owns a chunk of an input pixel and gathers dy from the windows that hold the pixel and chose
// it, in their order: no atomics, the same bits on every run. Overlapping windows read their inputs
// again from the L1 cache; from memory x (y, index) is read once and y, index (dx) written once.
// A chunk is 16 bytes of x forward, where the index goes out once a pixel, by pairs of lanes; and 16
// bytes of the index backward, where it is read as often as dy.
#include "kernels/cuda/lane_pairs.cuh"
#include "kernels/cuda/maps.cuh"
#include "kernels/cuda/pool_windows.cuh"

namespace fovea::kernels::cuda {
namespace {

using Position = std::int32_t;  // h * W + w

/// The 4 or 1 positions at p.
template <int V>
__device__ __forceinline__ void load_positions(Position (&at)[V], const Position* p) {
    if constexpr (V == 1)
        at[0] = *p;
    else
        *reinterpret_cast<int4*>(at) = *reinterpret_cast<const int4*>(p);
}

/// As store_together() of lane_pairs.cuh, for which positions are bits.
template <int V>
__device__ __forceinline__ void store_positions(Position* p, int offset, int end,
                                                const Position (&at)[V]) {
    float bits[V];
#pragma unroll
    for (int i = 0; i < V; ++i) bits[i] = __int_as_float(at[i]);
    store_together<V>(reinterpret_cast<float*>(p), offset, end, bits);
}

/// index may be null.
template <class T, int V>
__global__ void __launch_bounds__(256, 4)
    forward_pixels(T* __restrict__ y, Position* __restrict__ index, const T* __restrict__ x,
                   FixedWindows rows, FixedWindows columns, Maps maps) {
    const MapRow block(maps.P);
    const Range h = rows.inputs(block.row);
    const Index row_at = maps.y_at(block.n, block.row, 0);
    for_each_chunk_together<V>(maps.Q, maps.C, [&](int q, int c) {
        const bool inside = q < maps.Q;
        const Range w = inside ? columns.inputs(q) : Range{0, 0};
        float best[V];
        Position at[V];
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
        const int to = q * maps.C + c;
        if (inside) store_chunk<V>(y + row_at + to, best);
        if (index != nullptr) store_positions<V>(index + row_at, to, maps.Q * maps.C, at);
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
        const bool fits =
            chunks_fit<Position>(maps.C, dx.as<T>(), dy.as<T>(), index.as<Position>());
        with_chunk<Position>(fits, [&]<int V>(std::integral_constant<int, V>) {
            launch(stream, maps.over_x(V), backward_pixels<T, V>, dx.as<T>(), dy.as<T>(),
                   index.as<Position>(), rows, columns, maps);
        });
    });
}

}  // namespace fovea::kernels::cuda
