// Depthwise convolution in gather form (conv_axis.cuh): filters, strides, paddings and dilations of
// any size, any number of channels, forward and backward into the input.
//   target[n, i, j, c] = bias[c] + sum over (r, s) of source[n, h(i, r), w(j, s), c] w[c, r, s]
//
// A block of 8 x 16 threads: 8 chunks of L channels side by side, 16 items, each of 4 neighbouring
// targets of a row (of one class). Taps come through shared memory as floats, 64 at a time, four
// channels of every chunk side by side: read without bank conflicts. Source is read again for every
// tap, from L1 and L2.
#pragma once

#include "kernels/cuda/chunk.cuh"
#include "kernels/cuda/conv_axis.cuh"

namespace fovea::kernels::cuda {

struct DepthwiseShape {
    AxisShape rows, columns;
    int images, channels;
    int channel_tiles;  // of kChunksAcross chunks
};

inline constexpr int kChunksAcross = 8, kItems = 16;
inline constexpr int kTapSlab = 64, kItemColumns = 4;

template <class T, int L, Direction kDirection>
__global__ __launch_bounds__(kChunksAcross* kItems, 5) void depthwise_gather(
    T* __restrict__ target, const T* __restrict__ source, const T* __restrict__ w,
    const float* __restrict__ bias, const DepthwiseShape shape) {
    constexpr int kPart = L < 4 ? L : 4, kWidth = kChunksAcross * L;
    __shared__ __align__(16) float taps[kTapSlab][L / kPart][kChunksAcross][kPart];
    constexpr bool forward = kDirection == Direction::Forward;

    Digits block(blockIdx.x);
    const int first_channel = block.next(shape.channel_tiles) * kWidth;
    const int column_class = forward ? 0 : block.next(shape.columns.stride);
    const int row_class = forward ? 0 : block.next(shape.rows.stride);
    const Axis rows = axis_of<kDirection>(shape.rows, row_class);
    const Axis columns = axis_of<kDirection>(shape.columns, column_class);

    const int thread = static_cast<int>(threadIdx.x);
    const int chunk = thread % kChunksAcross, channel = first_channel + chunk * L;
    const int column_items = (columns.targets + kItemColumns - 1) / kItemColumns;
    if (rows.targets == 0 || column_items == 0) return;  // a class without targets
    Digits item(static_cast<unsigned>(block.rest()) * kItems + thread / kChunksAcross);
    const int j = item.next(column_items) * kItemColumns;
    const int i = item.next(rows.targets);
    const Index image = item.rest();
    const bool active = image < shape.images && channel < shape.channels;

    float sum[kItemColumns][L] = {};
    const T* image_source =
        source + image * rows.sources * columns.sources * shape.channels + channel;
    const int total = rows.taps * columns.taps;
    for (int slab = 0; slab < total; slab += kTapSlab) {
        const int count = min(kTapSlab, total - slab);
        __syncthreads();
        for (int at = thread; at < count * kWidth; at += kChunksAcross * kItems) {
            const int tap = slab + at / kWidth;
            const int part = at % kWidth / (kChunksAcross * kPart);
            const int owner = at / kPart % kChunksAcross, e = at % kPart;
            const int c = first_channel + owner * L + part * kPart + e;
            const int r = rows.filter_first + tap / columns.taps * rows.filter_step;
            const int s = columns.filter_first + tap % columns.taps * columns.filter_step;
            const Index row = Index{c} * shape.rows.kernel + r;
            taps[at / kWidth][part][owner][e] =
                c < shape.channels ? to_float(w[row * shape.columns.kernel + s]) : 0.0F;
        }
        __syncthreads();
        if (!active) continue;
        int r = slab / columns.taps, s = slab % columns.taps;
        for (int tap = 0; tap < count; ++tap) {
            const int h = i * rows.step + rows.first + r * rows.tap_step;
            if (static_cast<unsigned>(h) < static_cast<unsigned>(rows.sources)) {
                const T* line = image_source + Index{h} * columns.sources * shape.channels;
#pragma unroll
                for (int k = 0; k < kItemColumns; ++k) {
                    const int x = (j + k) * columns.step + columns.first + s * columns.tap_step;
                    if (static_cast<unsigned>(x) >= static_cast<unsigned>(columns.sources))
                        continue;
                    float value[L];
                    load_chunk<L>(value, line + Index{x} * shape.channels);
#pragma unroll
                    for (int e = 0; e < L; ++e)
                        sum[k][e] += value[e] * taps[tap][e / kPart][chunk][e % kPart];
                }
            }
            if (++s == columns.taps) {
                s = 0;
                ++r;
            }
        }
    }
    if (!active) return;

    float shift[L];
    load_chunk_or<L>(shift, bias, channel, 0.0F);
    const int height = forward ? shape.rows.outputs : shape.rows.inputs;
    const int width = forward ? shape.columns.outputs : shape.columns.inputs;
    const int h = rows.target_first + i * rows.target_step;
#pragma unroll
    for (int k = 0; k < kItemColumns; ++k) {
        if (j + k >= columns.targets) break;
#pragma unroll
        for (int e = 0; e < L; ++e) sum[k][e] += shift[e];
        const int x = columns.target_first + (j + k) * columns.target_step;
        store_chunk<L>(target + ((image * height + h) * width + x) * shape.channels + channel,
                       sum[k]);
    }
}

/// Forward: target y, source x. BackwardInput: target x's gradient, source y's.
template <Direction kDirection>
void launch_depthwise_gather(const Stream& stream, const View& target, const CView& source,
                             const CView& w, const CView& bias, const ConvParams& params) {
    constexpr bool forward = kDirection == Direction::Forward;
    const CView x = forward ? source : CView(target), y = forward ? CView(target) : source;
    DepthwiseShape shape;
    shape.rows = axis_shape(0, x, y, w, params);
    shape.columns = axis_shape(1, x, y, w, params);
    shape.images = narrow(x.dim(0));
    shape.channels = narrow(x.dim(3));
    const Axis rows = axis_of<kDirection>(shape.rows, 0);  // the largest class
    const Axis columns = axis_of<kDirection>(shape.columns, 0);
    const Index classes = forward ? 1 : Index{shape.rows.stride} * shape.columns.stride;
    const Index items =
        Index{shape.images} * rows.targets * ceil_div(columns.targets, kItemColumns);

    with_float(target.dtype, [&]<class T>(std::type_identity<T>) {
        const bool fits = chunks_fit<T>(shape.channels, x.as<T>(), y.as<T>(), bias.as<float>());
        with_chunk<T>(fits, [&]<int L>(std::integral_constant<int, L>) {
            shape.channel_tiles = narrow(ceil_div(shape.channels, kChunksAcross * L));
            const Index blocks = ceil_div(count(items), kItems) * classes * shape.channel_tiles;
            launch(stream, {dim3(count(blocks)), dim3(kChunksAcross * kItems)},
                   depthwise_gather<T, L, kDirection>, target.as<T>(), source.as<T>(), w.as<T>(),
                   bias.as<float>(), shape);
        });
    });
}

}  // namespace fovea::kernels::cuda
