// Resampling of channels-last maps, x [N, H, W, C] to y [N, P, Q, C]:
//     y[p, q] = sum over taps k of row p, l of column q of  u_k v_l x[h_k, w_l]
// The taps of an output position are neighbouring inputs, cut to the map's edge. A small kernel works out
// the taps of every row and column, in double as their positions need it. Forward: a thread owns a chunk
// of channels of an output pixel and adds up its taps. Backward is the transposed map: a thread owns a
// chunk of an input pixel and gathers from the outputs that use it, which are neighbours too (a
// second small kernel finds the range), in their order: no atomics, the same bits on every run. Each
// side is read or written once from memory, taps that overlap come from the caches.
#include "kernels/cuda/maps.cuh"
#include "kernels/cuda/workspace.h"
#include "kernels/include/resize.h"

namespace fovea::kernels::cuda {
namespace {

/// One axis of the map, and its tables in device memory.
struct Axis {
    int in, out;
    int most;  ///< taps an output has at most
    double scale;
    int* first;        ///< [out] input of the first tap, before it is cut to the edge
    int* count;        ///< [out] taps
    float* weight;     ///< [out, most]
    int *begin, *end;  ///< [in] outputs that use an input (backward)

    __device__ int cut(int i) const { return min(max(i, 0), in - 1); }
    /// The sum of output o's taps that fall on input i.
    __device__ float weight_of(int o, int i) const {
        const int start = first[o], taps = count[o];
        const int from = i == 0 ? 0 : max(i - start, 0);
        const int last = i == in - 1 ? taps - 1 : min(i - start, taps - 1);
        float sum = 0.0f;
        for (int k = from; k <= last; ++k) sum += weight[o * most + k];
        return sum;
    }
};

/// Keys' cubic convolution kernel with parameter a, zero from |x| = 2 on.
__device__ __forceinline__ double cubic(double x, double a) {
    x = fabs(x);
    if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
    if (x < 2.0) return ((x - 5.0) * x + 8.0) * x * a - 4.0 * a;
    return 0.0;
}

/// The taps of output o.
__device__ __forceinline__ void find_taps(const Axis& axis, const ResizeParams& params, int o) {
    float* const weight = axis.weight + o * axis.most;
    if (params.mode == Interpolation::Nearest) {
        // PyTorch computes this position in float.
        const float scale = static_cast<float>(axis.in) / static_cast<float>(axis.out);
        axis.first[o] = min(static_cast<int>(floorf(static_cast<float>(o) * scale)), axis.in - 1);
        axis.count[o] = 1;
        weight[0] = 1.0f;
        return;
    }
    const bool is_cubic = params.mode == Interpolation::Bicubic;
    if (params.antialias) {  // all pixels under a filter as wide as an output, made to sum to one
        const double stretch = fmax(axis.scale, 1.0);
        const double support = (is_cubic ? 2.0 : 1.0) * stretch;
        const double centre = axis.scale * (o + 0.5);
        const int first = max(static_cast<int>(centre - support + 0.5), 0);
        const int last = min(static_cast<int>(centre + support + 0.5), axis.in);
        const auto filter = [&](int k) {
            const double x = (k - centre + 0.5) / stretch;
            return is_cubic ? cubic(x, -0.5) : fmax(0.0, 1.0 - fabs(x));
        };
        double total = 0.0;
        for (int k = first; k < last; ++k) total += filter(k);
        for (int k = first; k < last; ++k)
            weight[k - first] = static_cast<float>(filter(k) / total);
        axis.first[o] = first;
        axis.count[o] = last - first;
        return;
    }
    const double position = params.align_corners ? o * axis.scale : (o + 0.5) * axis.scale - 0.5;
    if (is_cubic) {
        const int low = static_cast<int>(floor(position));
        for (int k = 0; k < 4; ++k)
            weight[k] = static_cast<float>(cubic(position - (low - 1 + k), -0.75));
        axis.first[o] = low - 1;
        axis.count[o] = 4;
    } else {
        const double inside = fmax(position, 0.0);
        const int low = min(static_cast<int>(inside), axis.in - 1);
        const double t = fmin(inside - low, 1.0);
        weight[0] = static_cast<float>(1.0 - t);
        weight[1] = static_cast<float>(t);
        axis.first[o] = low;
        axis.count[o] = 2;
    }
}

/// blockIdx.y: rows or columns.
__global__ void __launch_bounds__(128) find_all_taps(Axis rows, Axis columns, ResizeParams params) {
    const int o = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
    if (blockIdx.y == 0 && o < rows.out) find_taps(rows, params, o);
    if (blockIdx.y == 1 && o < columns.out) find_taps(columns, params, o);
}

/// The first output o for which beyond(o): it is false up to there and true from there on.
template <class Beyond>
__device__ __forceinline__ int first_output(int outputs, Beyond beyond) {
    int low = 0, high = outputs;
    while (low < high) {
        const int middle = (low + high) / 2;
        if (beyond(middle))
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/// The outputs that use input i.
__device__ __forceinline__ void find_users(const Axis& axis, int i) {
    axis.begin[i] = first_output(
        axis.out, [&](int o) { return axis.cut(axis.first[o] + axis.count[o] - 1) >= i; });
    axis.end[i] = first_output(axis.out, [&](int o) { return axis.cut(axis.first[o]) > i; });
}

__global__ void __launch_bounds__(128) find_all_users(Axis rows, Axis columns) {
    const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
    if (blockIdx.y == 0 && i < rows.in) find_users(rows, i);
    if (blockIdx.y == 1 && i < columns.in) find_users(columns, i);
}

template <class T, int V>
__global__ void __launch_bounds__(256, 4)
    forward_pixels(T* __restrict__ y, const T* __restrict__ x, Axis rows, Axis columns, Maps maps) {
    const MapRow block(maps.P);
    const int p = block.row;
    for_each_chunk<V>(maps.Q, maps.C, [&](int q, int c) {
        float sum[V] = {};
        for (int k = 0; k < rows.count[p]; ++k) {
            const float u = rows.weight[p * rows.most + k];
            const int h = rows.cut(rows.first[p] + k);
            for (int l = 0; l < columns.count[q]; ++l) {
                const float weight = u * columns.weight[q * columns.most + l];
                const int w = columns.cut(columns.first[q] + l);
                float v[V];
                load_chunk<V>(v, x + maps.x_at(block.n, h, w) + c);
#pragma unroll
                for (int i = 0; i < V; ++i) sum[i] += weight * v[i];
            }
        }
        store_chunk<V>(y + maps.y_at(block.n, p, q) + c, sum);
    });
}

template <class T, int V>
__global__ void __launch_bounds__(256, 4)
    backward_pixels(T* __restrict__ dx, const T* __restrict__ dy, Axis rows, Axis columns,
                    Maps maps) {
    const MapRow block(maps.H);
    const int h = block.row;
    for_each_chunk<V>(maps.W, maps.C, [&](int w, int c) {
        float sum[V] = {};
        for (int p = rows.begin[h]; p < rows.end[h]; ++p) {
            const float u = rows.weight_of(p, h);
            for (int q = columns.begin[w]; q < columns.end[w]; ++q) {
                const float weight = u * columns.weight_of(q, w);
                float g[V];
                load_chunk<V>(g, dy + maps.y_at(block.n, p, q) + c);
#pragma unroll
                for (int i = 0; i < V; ++i) sum[i] += weight * g[i];
            }
        }
        store_chunk<V>(dx + maps.x_at(block.n, h, w) + c, sum);
    });
}

/// Both axes, with their tables in the workspace.
struct Axes {
    Axis rows, columns;

    Axes(const Stream& stream, const Maps& maps, const ResizeParams& params)
        : rows(measure(maps.H, maps.P, params)), columns(measure(maps.W, maps.Q, params)) {
        int* memory = static_cast<int*>(
            workspace(stream, sizeof(int) * (table_size(rows) + table_size(columns))));
        memory = share_out(rows, memory);
        share_out(columns, memory);
        static_assert(sizeof(float) == sizeof(int));
        launch(stream, grid(rows.out, columns.out), find_all_taps, rows, columns, params);
    }

    static Launch grid(int row_count, int column_count) {
        const Index most = std::max(row_count, column_count);
        return {dim3(static_cast<unsigned>(ceil_div(most, 128)), 2), dim3(128)};
    }

private:
    static Axis measure(int in, int out, const ResizeParams& params) {
        Axis axis = {};
        axis.in = in;
        axis.out = out;
        axis.scale = params.align_corners ? (out > 1 ? (in - 1.0) / (out - 1.0) : 0.0)
                                          : static_cast<double>(in) / out;
        axis.most = params.mode == Interpolation::Nearest ? 1 : 2;
        if (params.mode == Interpolation::Bicubic) axis.most = 4;
        if (params.mode != Interpolation::Nearest && params.antialias)
            axis.most = axis.most * static_cast<int>(std::max(axis.scale, 1.0) + 1.0) + 1;
        return axis;
    }

    static std::size_t table_size(const Axis& axis) {
        return static_cast<std::size_t>(axis.out) * (2 + static_cast<std::size_t>(axis.most)) +
               2 * static_cast<std::size_t>(axis.in);
    }

    /// Gives the axis its tables; returns what is behind them.
    static int* share_out(Axis& axis, int* memory) {
        axis.first = memory;
        axis.count = axis.first + axis.out;
        axis.begin = axis.count + axis.out;
        axis.end = axis.begin + axis.in;
        axis.weight = reinterpret_cast<float*>(axis.end + axis.in);
        return axis.end + axis.in + static_cast<std::ptrdiff_t>(axis.out) * axis.most;
    }
};

}  // namespace

void resize_forward(const Stream& stream, View y, CView x, const ResizeParams& params) {
    if (y.numel() == 0) return;
    const Maps maps(x, y);
    const Axes axes(stream, maps, params);
    with_float(x.dtype, [&]<class T>(std::type_identity<T>) {
        with_chunk<T>(chunks_fit<T>(maps.C, y.as<T>(), x.as<T>()),
                      [&]<int V>(std::integral_constant<int, V>) {
                          launch(stream, maps.over_y(V), forward_pixels<T, V>, y.as<T>(), x.as<T>(),
                                 axes.rows, axes.columns, maps);
                      });
    });
}

void resize_backward(const Stream& stream, View dx, CView dy, const ResizeParams& params) {
    if (dx.numel() == 0) return;
    const Maps maps(dx, dy);
    const Axes axes(stream, maps, params);
    launch(stream, Axes::grid(maps.H, maps.W), find_all_users, axes.rows, axes.columns);
    with_float(dx.dtype, [&]<class T>(std::type_identity<T>) {
        with_chunk<T>(chunks_fit<T>(maps.C, dx.as<T>(), dy.as<T>()),
                      [&]<int V>(std::integral_constant<int, V>) {
                          launch(stream, maps.over_x(V), backward_pixels<T, V>, dx.as<T>(),
                                 dy.as<T>(), axes.rows, axes.columns, maps);
                      });
    });
}

}  // namespace fovea::kernels::cuda
