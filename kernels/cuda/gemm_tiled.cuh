// Pieces of the tiled matrix product: 16 steps of k at a time travel from global memory to registers
// to shared memory, as floats, and from there to the threads' tiles of sums.
//
// Shared memory holds an operand's slice as [16 k][extent], extent = rows or columns of the block's
// tile. Column e of row k lies at e ^ 8 (k / 4 mod 4): four consecutive columns stay together, so
// that threads fetch them with one 16-byte load, and four rows written at once (an operand whose k is
// contiguous in memory) fall into different banks.
#pragma once

#include <type_traits>

#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/numbers.cuh"
#include "kernels/cuda/shared_store.cuh"

namespace fovea::kernels::cuda {

inline constexpr int kDepth = 16;  // steps of k in shared memory

__device__ __forceinline__ int swizzle(int k) { return (k >> 2 & 3) * 8; }

/// Block of Rows x Columns sums; each thread owns RowsEach x ColumnsEach of them, in groups of four.
/// A warp is 4 x 8 threads.
template <int Rows_, int Columns_, int RowsEach_, int ColumnsEach_>
struct TileShape {
    static constexpr int Rows = Rows_, Columns = Columns_;
    static constexpr int RowsEach = RowsEach_, ColumnsEach = ColumnsEach_;
    static constexpr int RowGroups = RowsEach / 4, ColumnGroups = ColumnsEach / 4;
    static constexpr int ThreadColumns = Columns / ColumnsEach;
    static constexpr int Threads = Rows / RowsEach * ThreadColumns;
    static constexpr int GroupRows = Rows / RowGroups, GroupColumns = Columns / ColumnGroups;
};

/// Four consecutive elements in registers, as they lie in memory.
template <class T>
using Quad = std::conditional_t<sizeof(T) == 4, uint4, uint2>;

/// The first `count` of four elements at p, zeros behind them.
template <class T>
__device__ __forceinline__ Quad<T> load_quad(const T* p, int count, bool vector) {
    Quad<T> q = {};
    if (vector && count >= 4) {
        q = *reinterpret_cast<const Quad<T>*>(p);
    } else {
        T* e = reinterpret_cast<T*>(&q);
#pragma unroll
        for (int i = 0; i < 4; ++i)
            if (i < count) e[i] = p[i];
    }
    return q;
}

template <class T>
__device__ __forceinline__ float4 to_float4(const Quad<T>& q) {
    const T* e = reinterpret_cast<const T*>(&q);
    return {to_float(e[0]), to_float(e[1]), to_float(e[2]), to_float(e[3])};
}

/// How an operand lies in memory: its lines (dense runs of elements) run along k or across it, and
/// consist of whole, aligned quads. Any: only known at run time, and quads may be cut off or misaligned.
enum class Lines { AlongK, AcrossK, Any };

/// One thread's share of an operand's slices of 16 k x Extent numbers.
template <class T, int Extent, int Threads, Lines kLines>
class SliceReader {
public:
    /// data: the first slice's first element; `extent` rows or columns and `depth` of k exist. The
    /// last two: what is not known from kLines.
    __device__ SliceReader(const T* data, Index line_stride, int extent, int depth, bool along_k,
                           bool vector)
        : line_stride_(line_stride), along_k_(along_k), vector_(vector) {
        const int thread = static_cast<int>(threadIdx.x);
        const int per_line = runs_along_k() ? kDepth / 4 : Extent / 4;
        const int line = thread / per_line, column = thread % per_line * 4;
        p_ = data + line * line_stride + column;
        lines_left_ = (runs_along_k() ? extent : depth) - line;
        columns_left_ = (runs_along_k() ? depth : extent) - column;
        to_ = runs_along_k() ? column * Extent + (line ^ swizzle(column))
                             : line * Extent + (column ^ swizzle(line));
    }

    /// Reads the next slice into registers.
    __device__ __forceinline__ void read() {
        const int jump = runs_along_k() ? kLineJumpAlongK : kLineJump;
#pragma unroll
        for (int i = 0; i < kQuads; ++i) {
            const T* p = p_ + i * jump * line_stride_;
            quads_[i] = Quad<T>{};
            if (lines_left_ <= i * jump || columns_left_ <= 0) continue;
            quads_[i] = kLines == Lines::Any ? load_quad(p, columns_left_, vector_)
                                             : *reinterpret_cast<const Quad<T>*>(p);
        }
        if (runs_along_k()) {
            p_ += kDepth;
            columns_left_ -= kDepth;
        } else {
            p_ += kDepth * line_stride_;
            lines_left_ -= kDepth;
        }
    }

    /// Puts what was read into slice [16][Extent] of shared memory.
    __device__ __forceinline__ void write(float* slice) const {
#pragma unroll
        for (int i = 0; i < kQuads; ++i) {
            const float4 x = to_float4<T>(quads_[i]);
            if (runs_along_k()) {
                float* to = slice + to_ + i * kLineJumpAlongK;
                to[0] = x.x;
                to[Extent] = x.y;
                to[2 * Extent] = x.z;
                to[3 * Extent] = x.w;
            } else {
                float* to = slice + (to_ ^ swizzle(i * kLineJump)) + i * kLineJump * Extent;
                store_shared(to, x.x, x.y, x.z, x.w);
            }
        }
    }

private:
    static constexpr int kQuads = Extent * kDepth / (4 * Threads);
    // From a thread's quad to its next.
    static constexpr int kLineJumpAlongK = 4 * Threads / kDepth, kLineJump = 4 * Threads / Extent;
    static_assert(kLineJumpAlongK % 32 == 0 && kLineJump % 4 == 0);

    __device__ __forceinline__ bool runs_along_k() const {
        return kLines == Lines::Any ? along_k_ : kLines == Lines::AlongK;
    }

    const T* p_;
    Index line_stride_;
    bool along_k_, vector_;
    int to_;  // place of the first quad in a slice
    int lines_left_, columns_left_;
    Quad<T> quads_[kQuads];
};

/// This thread's sums += a^T b, k from Begin to End, for slices a [16][Rows] and b [16][Columns].
template <class Shape, int Begin, int End>
__device__ __forceinline__ void multiply_slices(float (&sum)[Shape::RowsEach][Shape::ColumnsEach],
                                                const float* a, const float* b, int row,
                                                int column) {
    // Unrolled further, the inner loop fetches too far ahead for the registers that there are.
#pragma unroll 1
    for (int k = Begin; k < End; k += 4) {
        const float* a_rows = a + k * Shape::Rows + (row ^ swizzle(k));
        const float* b_rows = b + k * Shape::Columns + (column ^ swizzle(k));
#pragma unroll 2
        for (int i = 0; i < 4; ++i) {
            float x[Shape::RowsEach], y[Shape::ColumnsEach];
#pragma unroll
            for (int g = 0; g < Shape::RowGroups; ++g)
                *reinterpret_cast<float4*>(x + 4 * g) = *reinterpret_cast<const float4*>(
                    a_rows + i * Shape::Rows + g * Shape::GroupRows);
#pragma unroll
            for (int g = 0; g < Shape::ColumnGroups; ++g)
                *reinterpret_cast<float4*>(y + 4 * g) = *reinterpret_cast<const float4*>(
                    b_rows + i * Shape::Columns + g * Shape::GroupColumns);
#pragma unroll
            for (int r = 0; r < Shape::RowsEach; ++r)
#pragma unroll
                for (int c = 0; c < Shape::ColumnsEach; ++c) sum[r][c] += x[r] * y[c];
        }
    }
}

}  // namespace fovea::kernels::cuda
