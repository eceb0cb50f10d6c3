// Gradient of a depthwise convolution for its input, dx (overwritten) from dy and w [C,R,S]. 3x3
// filters without dilation: stride 1 is the forward kernel with flipped taps; stride 2 is the
// kernel below. All others: depthwise_gather.cuh. No atomics, each number of dx is written once.
#include "kernels/cuda/conv_paths.h"
#include "kernels/cuda/depthwise_3x3.cuh"
#include "kernels/cuda/depthwise_gather.cuh"

namespace fovea::kernels::cuda {
namespace {

/// Stride 2. In coordinates of the padded input, h' = h + padding, the rows 2 i and 2 i + 1 take
///   2 i     : tap row 0 of dy's row i, tap row 2 of row i - 1
///   2 i + 1 : tap row 1 of dy's row i
/// and columns alike. So a block of 2 x 2 pixels needs 2 x 2 of dy and every tap once. A thread
/// owns one chunk of channels of a column of such blocks, 14 of them (a strip), and carries dy's
/// upper row along.
template <class T>
__global__ __launch_bounds__(kDepthwiseThreads,
                             5) void spread_3x3(T* __restrict__ dx, const T* __restrict__ dy,
                                                const T* __restrict__ w, const Depthwise3x3 shape) {
    constexpr int L = kLanes<T>;
    const int first_i = shape.row_padding / 2, first_j = shape.column_padding / 2;
    const int end_i = (shape.target_rows + shape.row_padding + 1) / 2;
    const int end_j = (shape.target_columns + shape.column_padding + 1) / 2;
    const int strips = (end_i - first_i + kStripRows - 1) / kStripRows;

    Digits item(blockIdx.x * kDepthwiseThreads + threadIdx.x);
    const int channel = item.next(shape.channels / L) * L;
    const int j = first_j + item.next(end_j - first_j);
    const int strip = first_i + item.next(strips) * kStripRows;
    const Index image = item.rest();
    if (image >= shape.images) return;

    const Taps<T> taps(w + Index{channel} * 9);
    dy += image * shape.source_rows * shape.source_columns * shape.channels + channel;
    dx += image * shape.target_rows * shape.target_columns * shape.channels + channel;
    const auto read = [&](float(&row)[2][L], int p) {  // dy's columns j - 1 and j
        read_row(row, dy, p, shape.source_rows, j - 1, shape.source_columns, shape.channels);
    };
    const auto add = [&](float(&sum)[L], const float(&value)[L], int r, int s) {
#pragma unroll
        for (int e = 0; e < L; ++e) sum[e] += value[e] * taps(e, r, s);
    };

    float above[2][L];
    read(above, strip - 1);
    for (int i = strip; i < min(strip + kStripRows, end_i); ++i) {
        float here[2][L];
        read(here, i);
#pragma unroll
        for (int pixel = 0; pixel < 4; ++pixel) {
            const int down = pixel / 2, right = pixel % 2;
            const int h = 2 * i + down - shape.row_padding;
            const int x = 2 * j + right - shape.column_padding;
            if (h < 0 || h >= shape.target_rows || x < 0 || x >= shape.target_columns) continue;
            float sum[L] = {};
            add(sum, here[1], down, right);
            if (right == 0) add(sum, here[0], down, 2);
            if (down == 0) add(sum, above[1], 2, right);
            if (down == 0 && right == 0) add(sum, above[0], 2, 2);
            store<L>(dx + (Index{h} * shape.target_columns + x) * shape.channels, sum);
        }
#pragma unroll
        for (int k = 0; k < 2; ++k)
#pragma unroll
            for (int e = 0; e < L; ++e) above[k][e] = here[k][e];
    }
}

template <class T>
void launch_spread_3x3(const Stream& stream, T* dx, const T* dy, const T* w,
                       const Depthwise3x3& shape) {
    const Index rows = (shape.target_rows + shape.row_padding + 1) / 2 - shape.row_padding / 2;
    const Index columns =
        (shape.target_columns + shape.column_padding + 1) / 2 - shape.column_padding / 2;
    const Index items =
        shape.images * ceil_div(rows, kStripRows) * columns * (shape.channels / kLanes<T>);
    launch(stream, {dim3(ceil_div(count(items), kDepthwiseThreads)), dim3(kDepthwiseThreads)},
           spread_3x3<T>, dx, dy, w, shape);
}

}  // namespace

void depthwise_backward_input(const Stream& stream, View dx, CView dy, CView w,
                              const ConvParams& params) {
    const int stride = plain_3x3_stride(w, params);
    bool done = false;
    with_float(dx.dtype, [&]<class T>(std::type_identity<T>) {
        if (stride == 0 || !chunks_fit<T>(dx.dim(3), dx.as<T>(), dy.as<T>(), w.as<T>())) return;
        Depthwise3x3 shape{narrow(dx.dim(0)),         narrow(dx.dim(3)),        narrow(dy.dim(1)),
                           narrow(dy.dim(2)),         narrow(dx.dim(1)),        narrow(dx.dim(2)),
                           narrow(params.padding[0]), narrow(params.padding[1])};
        if (stride == 1) {
            shape.row_padding = 2 - shape.row_padding;
            shape.column_padding = 2 - shape.column_padding;
            launch_depthwise_3x3<T, 1, true>(stream, dx.as<T>(), dy.as<T>(), w.as<T>(), nullptr,
                                             shape);
        } else {
            launch_spread_3x3<T>(stream, dx.as<T>(), dy.as<T>(), w.as<T>(), shape);
        }
        done = true;
    });
    if (!done)
        launch_depthwise_gather<Direction::BackwardInput>(stream, dx, dy, w, CView{}, params);
}

}  // namespace fovea::kernels::cuda
