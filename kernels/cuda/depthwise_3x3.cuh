// Depthwise convolution with 3x3 filters, no dilation, channels a multiple of kLanes<T>:
//   y[n, p, q, c] = bias[c] + sum over r, s < 3 of x[n, h, w, c] w[c, r, s]
//                   with h = Stride p - padding + r,  w = Stride q - padding + s
//
// A thread owns one chunk of 16 bytes of channels and one column of up to 14 output rows, and walks
// down the input rows under them: each row is loaded once (3 chunks) and added to the sums of the
// one, two or three output rows that it meets. The 9 taps of the chunk stay in registers as stored.
// Threads are numbered channel chunk first, then column: a warp reads whole lines, and what
// neighbouring columns read again comes from L1, the two rows between strips from L2. x and y move
// once: memory bound.
//
// Flipped: with the taps turned round, the same kernel is the gradient for the input at stride 1
// (padding 2 - padding).
#pragma once

#include "kernels/cuda/chunk.cuh"
#include "kernels/cuda/conv_axis.cuh"

namespace fovea::kernels::cuda {

inline constexpr int kDepthwiseThreads = 128;
inline constexpr int kStripRows = 14;

/// The 9 taps of kLanes<T> channels, w [C,3,3]: 144 bytes, converted where they are used.
template <class T>
class Taps {
public:
    /// w: of the first channel, 16-byte aligned
    __device__ __forceinline__ explicit Taps(const T* w) {
#pragma unroll
        for (int i = 0; i < 9; ++i) {
            const uint4 v = reinterpret_cast<const uint4*>(w)[i];
            words_[4 * i] = v.x;
            words_[4 * i + 1] = v.y;
            words_[4 * i + 2] = v.z;
            words_[4 * i + 3] = v.w;
        }
    }
    __device__ __forceinline__ float operator()(int channel, int r, int s) const {
        const int i = channel * 9 + r * 3 + s;
        if constexpr (std::is_same_v<T, float>)
            return __uint_as_float(words_[i]);
        else  // a bfloat16 is the upper half of a float
            return __uint_as_float(i % 2 == 0 ? words_[i / 2] << 16 : words_[i / 2] & 0xFFFF0000U);
    }

    /// In a loop: keeps the compiler from converting all taps ahead of it, into twice the
    /// registers.
    __device__ __forceinline__ void stay_packed() {
#pragma unroll
        for (std::uint32_t& word : words_) asm volatile("" : "+r"(word));
    }

private:
    std::uint32_t words_[36];
};

struct Depthwise3x3 {
    int images, channels;
    int source_rows, source_columns, target_rows, target_columns;
    int row_padding, column_padding;

    __host__ __device__ int strips() const { return (target_rows + kStripRows - 1) / kStripRows; }
};

/// The stride, 1 or 2, of a 3x3 filter w [C,3,3,1] without dilation; else 0.
inline int plain_3x3_stride(const CView& w, const ConvParams& p) {
    const bool plain = w.dim(1) == 3 && w.dim(2) == 3 && p.dilation[0] == 1 && p.dilation[1] == 1 &&
                       p.stride[0] == p.stride[1] && p.stride[0] <= 2;
    return plain ? static_cast<int>(p.stride[0]) : 0;
}

/// Chunks of Count neighbouring columns of one row, zeros outside of [rows, columns].
template <int Count, int L, class T>
__device__ __forceinline__ void read_row(float (&x)[Count][L], const T* image, int row, int rows,
                                         int column, int columns, int channels) {
    const T* p = image + (Index{row} * columns + column) * channels;
    const bool inside = static_cast<unsigned>(row) < static_cast<unsigned>(rows);
#pragma unroll
    for (int s = 0; s < Count; ++s) {
        if (inside && static_cast<unsigned>(column + s) < static_cast<unsigned>(columns)) {
            load<L>(x[s], p + s * channels);
        } else {
#pragma unroll
            for (float& e : x[s]) e = 0.0F;
        }
    }
}

template <class T, int Stride, bool Flipped>
__global__ __launch_bounds__(kDepthwiseThreads,
                             4) void depthwise_3x3(T* __restrict__ y, const T* __restrict__ x,
                                                   const T* __restrict__ w,
                                                   const float* __restrict__ bias,
                                                   const Depthwise3x3 shape) {
    constexpr int L = kLanes<T>;
    Digits item(blockIdx.x * kDepthwiseThreads + threadIdx.x);
    const int channel = item.next(shape.channels / L) * L;
    const int q = item.next(shape.target_columns);
    const int first = item.next(shape.strips()) * kStripRows;
    const Index image = item.rest();
    if (image >= shape.images) return;
    const int end = min(first + kStripRows, shape.target_rows);

    Taps<T> taps(w + Index{channel} * 9);
    x += image * shape.source_rows * shape.source_columns * shape.channels + channel;
    y += (image * shape.target_rows * shape.target_columns + q) * shape.channels + channel;
    const auto read = [&](float(&row)[3][L], int h) {
        read_row(row, x, h, shape.source_rows, q * Stride - shape.column_padding,
                 shape.source_columns, shape.channels);
    };
    const auto start = [&](float(&sum)[L]) { load_chunk_or(sum, bias, channel, 0.0F); };
    const auto add = [&](float(&sum)[L], const float(&row)[3][L], int r) {
#pragma unroll
        for (int s = 0; s < 3; ++s)
#pragma unroll
            for (int e = 0; e < L; ++e)
                sum[e] += row[s][e] * (Flipped ? taps(e, 2 - r, 2 - s) : taps(e, r, s));
    };
    const auto write = [&](const float(&sum)[L], int p) {
        store<L>(y + Index{p} * shape.target_columns * shape.channels, sum);
    };

    float row[3][L], sum[L];
    if constexpr (Stride == 1) {
        float next[L];  // sums of output row p + 1; sum: of row p
        start(sum);
        start(next);
        for (int p = first - 2; p < end; ++p) {
            taps.stay_packed();
            read(row, p + 2 - shape.row_padding);
            add(sum, row, 2);
            if (p >= first) write(sum, p);
#pragma unroll
            for (int e = 0; e < L; ++e) sum[e] = next[e];
            add(sum, row, 1);
            start(next);
            add(next, row, 0);
        }
    } else {
        static_assert(Stride == 2);
        for (int p = first;; ++p) {
            taps.stay_packed();
            read(row, 2 * p - shape.row_padding);
            if (p > first) {
                add(sum, row, 2);
                write(sum, p - 1);
            }
            if (p == end) break;
            start(sum);
            add(sum, row, 0);
            read(row, 2 * p + 1 - shape.row_padding);
            add(sum, row, 1);
        }
    }
}

template <class T, int Stride, bool Flipped>
void launch_depthwise_3x3(const Stream& stream, T* y, const T* x, const T* w, const float* bias,
                          const Depthwise3x3& shape) {
    const Index items =
        Index{shape.images} * shape.strips() * shape.target_columns * (shape.channels / kLanes<T>);
    launch(stream, {dim3(ceil_div(count(items), kDepthwiseThreads)), dim3(kDepthwiseThreads)},
           depthwise_3x3<T, Stride, Flipped>, y, x, w, bias, shape);
}

}  // namespace fovea::kernels::cuda
