// Gradients of a depthwise convolution for its weights and its bias:
//   dw[c, r, s] (+)= sum over pixels (n, p, q) of dy[n, p, q, c] x[n, h, w, c],
//                    h = p stride - padding + r dilation (zero outside x)
//   dbias[c]    (+)= sum over pixels of dy[n, p, q, c]
//
// Two stages. A block of 8 x 16 threads: 8 chunks of channels side by side (16 bytes each where the
// channels allow it), 16 pixels at a time. Every thread sums over its pixels in registers, the 16
// threads of a chunk meet in shuffles and shared memory, and the block writes one row of partial
// sums [slices, C, R, S] (and [slices, C] for the bias), which conv_slices.cu adds in order. What
// is summed in which order depends on the shape, and on whether chunks of 16 bytes are possible.
//   3x3, stride 1 or 2, no dilation: all nine sums in one pass, x and dy read once (neighbouring
//   columns come again from L1); otherwise a block owns one tap.
#include "kernels/cuda/chunk.cuh"
#include "kernels/cuda/conv_paths.h"
#include "kernels/cuda/conv_slices.h"
#include "kernels/cuda/depthwise_3x3.cuh"
#include "kernels/cuda/reduce.cuh"
#include "kernels/cuda/strided.cuh"
#include "kernels/cuda/workspace.h"

namespace fovea::kernels::cuda {
namespace {

constexpr int kAcross = 8, kDown = 16, kThreads = kAcross * kDown, kWarps = kThreads / kWarp;

struct DepthwiseWeightShape {
    AxisShape rows, columns;
    int images, channels;
    int channel_tiles;      // of kAcross chunks
    int slices;             // blocks that share the pixels
    Divider strips, width;  // of an image, of a strip
};

/// Adds up what the 16 threads of each chunk have, sum[number][channel], and writes the block's
/// totals, out[(chunk * L + channel) * Count + number] with `step` between neighbours, for the
/// first `channels` channels. A row of a chunk's totals is one longer than its numbers: no bank
/// conflicts.
template <int Count, int L>
__device__ __forceinline__ void write_sums(float* out, int step, int channels,
                                           const float (&sum)[Count][L]) {
    constexpr int kNumbers = Count * L;
    __shared__ float totals[kWarps][kAcross][kNumbers + 1];
    const int lane = static_cast<int>(threadIdx.x) % kWarp;
    const int warp = static_cast<int>(threadIdx.x) / kWarp;
#pragma unroll
    for (int k = 0; k < Count; ++k)
#pragma unroll
        for (int e = 0; e < L; ++e) {
            float x = sum[k][e];
#pragma unroll
            for (int apart = kAcross; apart < kWarp; apart *= 2)
                x += __shfl_xor_sync(kAllLanes, x, apart);
            if (lane < kAcross) totals[warp][lane][e * Count + k] = x;
        }
    __syncthreads();
    for (int chunk = warp; chunk < kAcross && chunk * L < channels; chunk += kWarps)
        for (int i = lane; i < kNumbers; i += kWarp) {
            float total = 0.0F;
#pragma unroll
            for (int w = 0; w < kWarps; ++w) total += totals[w][chunk][i];
            out[Index{chunk * kNumbers + i} * step] = total;
        }
}

/// weight_sums [slices, C, 3, 3], bias_sums [slices, C] or null.
template <class T, int Stride>
__global__ __launch_bounds__(kThreads, 3) void weight_gradient_3x3(
    float* __restrict__ weight_sums, float* __restrict__ bias_sums, const T* __restrict__ dy,
    const T* __restrict__ x, const DepthwiseWeightShape shape) {
    constexpr int L = kLanes<T>;
    Digits block(blockIdx.x);
    const int thread = static_cast<int>(threadIdx.x);
    const int first_channel = block.next(shape.channel_tiles) * kAcross * L;
    const int channel = first_channel + thread % kAcross * L;
    const int slice = static_cast<int>(block.rest());
    const int H = shape.rows.inputs, W = shape.columns.inputs;
    const int P = shape.rows.outputs, Q = shape.columns.outputs, C = shape.channels;

    float sum[9][L] = {}, bias_sum[1][L] = {};
    const unsigned items = static_cast<unsigned>(shape.images) * shape.strips.divisor * Q;
    unsigned item = slice * kDown + thread / kAcross;
    if (channel >= C) item = items;
    for (; item < items; item += shape.slices * kDown) {
        const unsigned line = shape.width.quotient(item);
        const int q = static_cast<int>(item - line * shape.width.divisor);
        const unsigned image = shape.strips.quotient(line);
        const int first = static_cast<int>(line - image * shape.strips.divisor) * kStripRows;
        const int end = min(first + kStripRows, P);
        const T* image_x = x + Index{image} * H * W * C + channel;
        const T* column_dy = dy + (Index{image} * P * Q + q) * C + channel;

        const auto read_x = [&](float(&row)[3][L], int h) {
            read_row(row, image_x, h, H, q * Stride - shape.columns.padding, W, C);
        };
        const auto read_dy = [&](float(&value)[L], int p) {  // of this strip only
            if (p < end) return load<L>(value, column_dy + Index{p} * Q * C);
#pragma unroll
            for (float& e : value) e = 0.0F;
        };
        const auto add = [&](int r, const float(&d)[L], const float(&row)[3][L]) {
#pragma unroll
            for (int s = 0; s < 3; ++s)
#pragma unroll
                for (int e = 0; e < L; ++e) sum[3 * r + s][e] += d[e] * row[s][e];
        };

        float row[3][L], d[3][L] = {};  // d: dy of the rows p, p - 1, p - 2
        for (int p = first; p < end + (Stride == 1 ? 2 : 1); ++p) {
#pragma unroll
            for (int e = 0; e < L; ++e) {
                d[2][e] = d[1][e];
                d[1][e] = d[0][e];
            }
            read_dy(d[0], p);
#pragma unroll
            for (int e = 0; e < L; ++e) bias_sum[0][e] += d[0][e];
            read_x(row, p * Stride - shape.rows.padding);
            add(0, d[0], row);
            if constexpr (Stride == 1) {
                add(1, d[1], row);
                add(2, d[2], row);
            } else {
                add(2, d[1], row);
                read_x(row, p * Stride + 1 - shape.rows.padding);
                add(1, d[0], row);
            }
        }
    }

    const Index first = Index{slice} * C + first_channel;
    write_sums(weight_sums + first * 9, 1, C - first_channel, sum);
    if (bias_sums) write_sums(bias_sums + first, 1, C - first_channel, bias_sum);
}

/// weight_sums [slices, C, R, S], bias_sums [slices, C] or null.
template <class T, int L>
__global__ __launch_bounds__(kThreads, 8) void weight_gradient(float* __restrict__ weight_sums,
                                                               float* __restrict__ bias_sums,
                                                               const T* __restrict__ dy,
                                                               const T* __restrict__ x,
                                                               const DepthwiseWeightShape shape) {
    Digits block(blockIdx.x);
    const int thread = static_cast<int>(threadIdx.x);
    const int first_channel = block.next(shape.channel_tiles) * kAcross * L;
    const int s = block.next(shape.columns.kernel), r = block.next(shape.rows.kernel);
    const int channel = first_channel + thread % kAcross * L;
    const int slice = static_cast<int>(block.rest());
    const int H = shape.rows.inputs, W = shape.columns.inputs;
    const int Q = shape.columns.outputs, C = shape.channels;
    const bool sums_bias = bias_sums && r == 0 && s == 0;

    float sum[1][L] = {}, bias_sum[1][L] = {};
    const unsigned pixels = static_cast<unsigned>(shape.images) * shape.strips.divisor * Q;
    unsigned pixel = slice * kDown + thread / kAcross;
    if (channel >= C) pixel = pixels;
    for (; pixel < pixels; pixel += shape.slices * kDown) {
        const unsigned line = shape.width.quotient(pixel);  // of all images
        const unsigned image = shape.strips.quotient(line);
        const int h = static_cast<int>(line - image * shape.strips.divisor) * shape.rows.stride -
                      shape.rows.padding + r * shape.rows.dilation;
        const int w = static_cast<int>(pixel - line * shape.width.divisor) * shape.columns.stride -
                      shape.columns.padding + s * shape.columns.dilation;
        const bool inside = static_cast<unsigned>(h) < static_cast<unsigned>(H) &&
                            static_cast<unsigned>(w) < static_cast<unsigned>(W);
        if (!inside && !sums_bias) continue;
        float d[L], value[L] = {};
        load_chunk<L>(d, dy + Index{pixel} * C + channel);
        if (inside) load_chunk<L>(value, x + ((Index{image} * H + h) * W + w) * C + channel);
#pragma unroll
        for (int e = 0; e < L; ++e) {
            sum[0][e] += d[e] * value[e];
            bias_sum[0][e] += d[e];
        }
    }

    const Index first = Index{slice} * C + first_channel;
    const int taps = shape.rows.kernel * shape.columns.kernel;
    write_sums(weight_sums + first * taps + r * shape.columns.kernel + s, taps, C - first_channel,
               sum);
    if (!sums_bias) return;
    __syncthreads();
    write_sums(bias_sums + first, 1, C - first_channel, bias_sum);
}

/// Blocks that share the pixels: about 1056 in all, of at least `least` items a thread.
int slices_of(Index items, Index other_blocks, Index least) {
    const Index wanted = ceil_div(1056, other_blocks);
    return static_cast<int>(std::clamp<Index>(items / (kDown * least), 1, wanted));
}

}  // namespace

void depthwise_backward_weight(const Stream& stream, View dw, View dbias, CView dy, CView x,
                               const ConvParams& params, GradMode mode) {
    const int P = narrow(dy.dim(1)), Q = narrow(dy.dim(2));
    const int stride = plain_3x3_stride(dw, params);
    DepthwiseWeightShape shape;
    shape.rows = axis_shape(0, x, dy, dw, params);
    shape.columns = axis_shape(1, x, dy, dw, params);
    shape.images = narrow(x.dim(0));
    shape.channels = narrow(x.dim(3));
    shape.width = Divider(Q);

    with_float(dy.dtype, [&]<class T>(std::type_identity<T>) {
        const bool fits = chunks_fit<T>(shape.channels, x.as<T>(), dy.as<T>());
        const bool all_taps = fits && stride != 0;
        const Index taps = all_taps ? 1 : dw.dim(1) * dw.dim(2);
        const Index strips = all_taps ? ceil_div(P, kStripRows) : P;
        const Index items = count(Index{shape.images} * strips * Q);
        shape.strips = Divider(strips);
        shape.channel_tiles = narrow(ceil_div(shape.channels, kAcross * (fits ? kLanes<T> : 1)));
        shape.slices = slices_of(items, shape.channel_tiles * taps, all_taps ? 1 : 8);

        const Index weights = dw.numel();
        float* weight_sums = workspace<float>(
            stream, static_cast<std::size_t>(shape.slices * (weights + shape.channels)));
        float* bias_sums = dbias ? weight_sums + shape.slices * weights : nullptr;
        auto kernel = weight_gradient<T, 1>;
        if (all_taps)
            kernel = stride == 1 ? weight_gradient_3x3<T, 1> : weight_gradient_3x3<T, 2>;
        else if (fits)
            kernel = weight_gradient<T, kLanes<T>>;
        launch(stream, {dim3(count(shape.slices * shape.channel_tiles * taps)), dim3(kThreads)},
               kernel, weight_sums, bias_sums, dy.as<T>(), x.as<T>(), shape);
        sum_slices(stream, dw, weight_sums, shape.slices, mode);
        if (dbias) sum_slices(stream, dbias, bias_sums, shape.slices, mode);
    });
}

}  // namespace fovea::kernels::cuda
