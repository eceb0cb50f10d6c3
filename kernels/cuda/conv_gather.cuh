// Convolution forward and its gradient for the input as one implicit GEMM in gather form
// (conv_axis.cuh), any stride, padding, dilation and groups; float accumulation on CUDA cores.
//
//   target[m, n] = sum over k = (tap r, tap s, channel c) of  A[m, k] B[k, n]  (+ bias[n])
//
//                 forward                           backward into the input, for every class
//   m             pixel of y [N,P,Q]                pixel of x [N,H,W] of the class
//   n             output channel of the group       input channel of the group
//   A[m, k]       x at m's window, (r, s), c        dy at m's window, (r, s), c
//   B[k, n]       w[n, r, s, c]: k is dense         w[c, r', s', n]: n is dense
//
// A and B are never built: a block gathers 16 k at a time into shared memory (conv_tile.cuh). A
// block owns 128 m of one class x 64 n of one group and writes them once. Blocks that read the same
// pixels (column tiles, groups, classes of the same 128 rows) are neighbours, so source is read
// from memory about once and again from L2. Padding is multiplied as zeros. Same bits on every run:
// each sum is one thread's, in the order of k.
#pragma once

#include "kernels/cuda/conv_gather_operands.cuh"

namespace fovea::kernels::cuda {

template <class T, bool Vector, Direction kDirection>
__global__ __launch_bounds__(kTileThreads, 3) void gather_convolution(
    T* __restrict__ target, const T* __restrict__ source, const T* __restrict__ filter,
    const float* __restrict__ bias, const GatherShape shape) {
    constexpr bool forward = kDirection == Direction::Forward;
    using Filter = std::conditional_t<forward, ForwardFilter<T, Vector>, BackwardFilter<T, Vector>>;
    __shared__ __align__(16) TileMemory memory;
    __shared__ Window windows[kTileRows];

    Digits block(blockIdx.x);
    const int first_target = block.next(shape.column_tiles) * kTileColumns;
    const int group = block.next(shape.groups);
    const int column_class = forward ? 0 : block.next(shape.columns.stride);
    const int row_class = forward ? 0 : block.next(shape.rows.stride);
    const Index first_pixel = block.rest() * kTileRows;

    const Axis rows = axis_of<kDirection>(shape.rows, row_class);
    const Axis columns = axis_of<kDirection>(shape.columns, column_class);
    const int pixels = rows.targets * columns.targets;
    if (first_pixel >= Index{shape.images} * pixels) return;  // classes differ in size

    static_assert(kTileThreads == kTileRows);
    store_window(windows[threadIdx.x], window_of(shape, rows, columns, first_pixel + threadIdx.x));
    __syncthreads();

    Sums sum = {};
    SourceOperand<T, Vector> a(source + Index{group} * shape.sources, windows, shape, rows,
                               columns);
    Filter b(filter, shape, rows, columns, first_target, group);
    const int depth = rows.taps * columns.taps * shape.sources;
    accumulate<kLanes<T>>(sum, memory, a, b, (depth + kTileDepth - 1) / kTileDepth,
                          [](const auto&) {});

    float shift[8] = {};
    if (bias)
#pragma unroll
        for (int j = 0; j < 8; ++j)
            if (first_target + tile_column(j) < shape.targets)
                shift[j] = bias[group * shape.targets + first_target + tile_column(j)];

    const int height = forward ? shape.rows.outputs : shape.rows.inputs;
    const int width = forward ? shape.columns.outputs : shape.columns.inputs;
    const Index first_image = first_pixel / pixels;
    const int first = static_cast<int>(first_pixel - first_image * pixels);
#pragma unroll
    for (int i = 0; i < 8; ++i) {
        const int pixel = first + tile_row(i);
        const Index image = first_image + pixel / pixels;
        if (image >= shape.images) continue;
        const int at = pixel % pixels;
        const int h = rows.target_first + at / columns.targets * rows.target_step;
        const int w = columns.target_first + at % columns.targets * columns.target_step;
        T* out =
            target + (((image * height + h) * width + w) * shape.groups + group) * shape.targets;
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            const int n = first_target + tile_column(4 * half);
            float y[4];
#pragma unroll
            for (int e = 0; e < 4; ++e) y[e] = sum[i][4 * half + e] + shift[4 * half + e];
            if (shape.vector_store) {
                if (n < shape.targets) store<4>(out + n, y);
            } else {
#pragma unroll
                for (int e = 0; e < 4; ++e)
                    if (n + e < shape.targets) out[n + e] = from_float<T>(y[e]);
            }
        }
    }
}

/// Forward: target y, source x. BackwardInput: target x's gradient, source y's.
template <Direction kDirection>
void launch_gather(const Stream& stream, const View& target, const CView& source, const CView& w,
                   const CView& bias, const ConvParams& params) {
    constexpr bool forward = kDirection == Direction::Forward;
    const CView x = forward ? source : CView(target), y = forward ? CView(target) : source;

    GatherShape shape;
    shape.rows = axis_shape(0, x, y, w, params);
    shape.columns = axis_shape(1, x, y, w, params);
    shape.images = narrow(x.dim(0));
    shape.groups = narrow(params.groups);
    shape.sources = narrow(source.dim(3) / params.groups);
    shape.targets = narrow(target.dim(3) / params.groups);
    shape.column_tiles = narrow(ceil_div(shape.targets, kTileColumns));
    shape.vector_store = shape.targets % 4 == 0 && aligned16(target.data);

    const Axis rows = axis_of<kDirection>(shape.rows, 0);  // the largest class
    const Axis columns = axis_of<kDirection>(shape.columns, 0);
    const Index classes = forward ? 1 : Index{shape.rows.stride} * shape.columns.stride;
    const Index pixels = Index{shape.images} * rows.targets * columns.targets;
    const Index blocks = ceil_div(pixels, kTileRows) * classes * shape.groups * shape.column_tiles;

    with_float(target.dtype, [&]<class T>(std::type_identity<T>) {
        const bool filter_chunks = forward || shape.targets % kLanes<T> == 0;
        const bool vector = filter_chunks && shape.sources % kLanes<T> == 0 &&
                            aligned16(source.data) && aligned16(w.data);
        with_bool(vector, [&]<bool Vector>(std::bool_constant<Vector>) {
            launch(stream, {dim3(count(blocks)), dim3(kTileThreads)},
                   gather_convolution<T, Vector, kDirection>, target.as<T>(), source.as<T>(),
                   w.as<T>(), bias.as<float>(), shape);
        });
    });
}

}  // namespace fovea::kernels::cuda
