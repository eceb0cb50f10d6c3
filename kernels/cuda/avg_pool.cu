// Average pooling of channels-last maps with windows of fixed size, and adaptive average pooling, whose
// windows share out the input: x [N, H, W, C] and y [N, P, Q, C].
//
// Forward: a thread owns a chunk of channels of an output pixel and adds up its window. Backward: it
// owns a chunk of an input pixel and gathers dy / size from the windows that hold the pixel, in their
// order: no atomics, the same bits on every run. Each side is read or written once from memory, what
// overlapping windows read again comes from the L1 cache.
#include "kernels/cuda/maps.cuh"
#include "kernels/cuda/pool_windows.cuh"

namespace fovea::kernels::cuda {
namespace {

/// One over the number of pixels that window (p, q) is an average of.
template <class Windows>
__device__ __forceinline__ float share(const Windows& rows, const Windows& columns, int p, int q,
                                       bool count_padding) {
    const int size = count_padding ? rows.padded(p) * columns.padded(q)
                                   : rows.inputs(p).size() * columns.inputs(q).size();
    return 1.0f / static_cast<float>(size);
}

template <class T, int V, class Windows>
__global__ void __launch_bounds__(256, 4)
    forward_pixels(T* __restrict__ y, const T* __restrict__ x, Windows rows, Windows columns,
                   bool count_padding, Maps maps) {
    const MapRow block(maps.P);
    const Range h = rows.inputs(block.row);
    for_each_chunk<V>(maps.Q, maps.C, [&](int q, int c) {
        const Range w = columns.inputs(q);
        float sum[V] = {};
        for (int row = h.begin; row < h.end; ++row)
#pragma unroll 4
            for (int column = w.begin; column < w.end; ++column) {
                float v[V];
                load_chunk<V>(v, x + maps.x_at(block.n, row, column) + c);
#pragma unroll
                for (int i = 0; i < V; ++i) sum[i] += v[i];
            }
        const float scale = share(rows, columns, block.row, q, count_padding);
#pragma unroll
        for (int i = 0; i < V; ++i) sum[i] *= scale;
        store_chunk<V>(y + maps.y_at(block.n, block.row, q) + c, sum);
    });
}

template <class T, int V, class Windows>
__global__ void __launch_bounds__(256, 4)
    backward_pixels(T* __restrict__ dx, const T* __restrict__ dy, Windows rows, Windows columns,
                    bool count_padding, Maps maps) {
    const MapRow block(maps.H);
    const Range p = rows.holders(block.row);
    for_each_chunk<V>(maps.W, maps.C, [&](int w, int c) {
        const Range q = columns.holders(w);
        float sum[V] = {};
        for (int row = p.begin; row < p.end; ++row)
            for (int column = q.begin; column < q.end; ++column) {
                float g[V];
                load_chunk<V>(g, dy + maps.y_at(block.n, row, column) + c);
                const float scale = share(rows, columns, row, column, count_padding);
#pragma unroll
                for (int i = 0; i < V; ++i) sum[i] += g[i] * scale;
            }
        store_chunk<V>(dx + maps.x_at(block.n, block.row, w) + c, sum);
    });
}

template <class Windows>
void forward(const Stream& stream, View y, CView x, Windows rows, Windows columns,
             bool count_padding) {
    const Maps maps(x, y);
    with_float(x.dtype, [&]<class T>(std::type_identity<T>) {
        with_chunk<T>(chunks_fit<T>(maps.C, y.as<T>(), x.as<T>()),
                      [&]<int V>(std::integral_constant<int, V>) {
                          launch(stream, maps.over_y(V), forward_pixels<T, V, Windows>, y.as<T>(),
                                 x.as<T>(), rows, columns, count_padding, maps);
                      });
    });
}

template <class Windows>
void backward(const Stream& stream, View dx, CView dy, Windows rows, Windows columns,
              bool count_padding) {
    const Maps maps(dx, dy);
    with_float(dx.dtype, [&]<class T>(std::type_identity<T>) {
        with_chunk<T>(chunks_fit<T>(maps.C, dx.as<T>(), dy.as<T>()),
                      [&]<int V>(std::integral_constant<int, V>) {
                          launch(stream, maps.over_x(V), backward_pixels<T, V, Windows>, dx.as<T>(),
                                 dy.as<T>(), rows, columns, count_padding, maps);
                      });
    });
}

}  // namespace

void avg_pool_forward(const Stream& stream, View y, CView x, const PoolParams& params) {
    const Maps maps(x, y);
    forward(stream, y, x, FixedWindows(params, 0, maps.H, maps.P),
            FixedWindows(params, 1, maps.W, maps.Q), params.count_include_pad);
}

void avg_pool_backward(const Stream& stream, View dx, CView dy, const PoolParams& params) {
    const Maps maps(dx, dy);
    backward(stream, dx, dy, FixedWindows(params, 0, maps.H, maps.P),
             FixedWindows(params, 1, maps.W, maps.Q), params.count_include_pad);
}

void adaptive_avg_pool_forward(const Stream& stream, View y, CView x) {
    const Maps maps(x, y);
    forward(stream, y, x, AdaptiveWindows(maps.H, maps.P), AdaptiveWindows(maps.W, maps.Q), true);
}

void adaptive_avg_pool_backward(const Stream& stream, View dx, CView dy) {
    const Maps maps(dx, dy);
    backward(stream, dx, dy, AdaptiveWindows(maps.H, maps.P), AdaptiveWindows(maps.W, maps.Q),
             true);
}

}  // namespace fovea::kernels::cuda
