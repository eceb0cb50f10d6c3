// What the attention kernels on CUDA cores are made of: tiles of 64 rows (tokens) in shared memory, as
// floats, and products of them in registers.
//
// A block of 64 / R * 16 threads works on 64 x 64 scores. Its threads form 64 / R rows of 16 columns: a
// thread owns the scores of rows first_row + i * 64 / R and columns column + 16 j, so the 16 threads
// that share a row of scores are neighbours in one warp.
// Tiles have rows of Cap + 4 floats (Cap: the head dimension they have room for), tiles of weights rows
// of 16 more than their columns: what a warp reads or writes at once then never meets in a bank.
#pragma once

#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/numbers.cuh"
#include "kernels/cuda/reduce.cuh"
#include "kernels/cuda/shared_store.cuh"

namespace fovea::kernels::cuda::attention {

inline constexpr int kTile = 64;
inline constexpr int kColumns = 16;  // threads that share a row
inline constexpr int kLargestHead = 128;

inline constexpr float kLog2e = 1.44269504F, kLn2 = 0.693147181F;

template <int Cap>
inline constexpr int kPitch = Cap + 4;
template <int Cap>
inline constexpr int kTileFloats = kTile* kPitch<Cap>;

/// Of a tile of weights with that many columns.
template <int Columns>
inline constexpr int kWeightPitch = Columns + 16;
template <int Columns>
inline constexpr int kWeightFloats = kTile* kWeightPitch<Columns>;

/// Columns of the head dimension that a thread owns.
template <int Cap>
inline constexpr int kOwned = Cap / kColumns;

template <int R>
inline constexpr int kThreads = kTile / R* kColumns;

/// threadIdx.x, read anew each time: what the compiler derives from a value it knows already, it keeps
/// in registers through all loops, and there are not enough of them.
__device__ __forceinline__ int thread_index() {
    int index;
    asm volatile("mov.u32 %0, %%tid.x;" : "=r"(index));
    return index;
}

/// This thread's place among the scores.
__device__ __forceinline__ int first_row() { return thread_index() / kColumns; }
__device__ __forceinline__ int column() { return thread_index() % kColumns; }

/// Rows of one head, a fixed step apart.
template <class T>
struct StridedRows {
    T* data;
    Index stride;

    __device__ __forceinline__ T* row(Index token) const { return data + token * stride; }
};

/// Columns [d, d + 4) of row first + row of x; zeros behind column D and where row >= count.
/// vector: four elements may be read at once.
template <class Rows>
__device__ __forceinline__ void load_quad(float (&values)[4], const Rows& x, Index first, int row,
                                          int count, int d, int D, bool vector) {
    const bool exists = row < count && d < D;
    const auto* p = exists ? x.row(first + row) + d : nullptr;
    if (exists && vector) {
        load(values, p);
    } else {
#pragma unroll
        for (int i = 0; i < 4; ++i) values[i] = exists && d + i < D ? to_float(p[i]) : 0.0F;
    }
}

/// Rows [first, first + count) of x, D columns each, into a tile; zeros where there is nothing.
template <int Cap, int Threads, class Rows>
__device__ __forceinline__ void load_tile(float* tile, const Rows& x, Index first, int count, int D,
                                          bool vector) {
    constexpr int quads = Cap / 4, rounds = kTile * quads / Threads;
    constexpr int batch = 2;  // loads that are under way together
    const int thread = thread_index();
#pragma unroll 1
    for (int round = 0; round < rounds; round += batch) {
        float values[batch][4];
#pragma unroll
        for (int b = 0; b < batch; ++b) {
            const int at = thread + (round + b) * Threads;
            load_quad(values[b], x, first, at / quads, count, at % quads * 4, D, vector);
        }
#pragma unroll
        for (int b = 0; b < batch; ++b) {
            const int at = thread + (round + b) * Threads;
            float* to = tile + at / quads * kPitch<Cap> + at % quads * 4;
            store_shared(to, values[b][0], values[b][1], values[b][2], values[b][3]);
        }
    }
}

/// out[i][j] = rows[first_row + i * 64 / R] . columns[column + 16 j], over `depth` numbers (in fours).
template <int Cap, int R>
__device__ __forceinline__ void dot_tiles(float (&out)[R][4], const float* rows,
                                          const float* columns, int depth) {
    const float* x = rows + first_row() * kPitch<Cap>;
    const float* y = columns + column() * kPitch<Cap>;
#pragma unroll
    for (int i = 0; i < R; ++i)
#pragma unroll
        for (int j = 0; j < 4; ++j) out[i][j] = 0.0F;
#pragma unroll 1
    for (int d = 0; d < depth; d += 4) {
        float4 b[4];
#pragma unroll
        for (int j = 0; j < 4; ++j)
            b[j] = *reinterpret_cast<const float4*>(y + j * kColumns * kPitch<Cap> + d);
#pragma unroll
        for (int i = 0; i < R; ++i) {
            const float4 a =
                *reinterpret_cast<const float4*>(x + i * (kTile / R) * kPitch<Cap> + d);
#pragma unroll
            for (int j = 0; j < 4; ++j) {
                out[i][j] += a.x * b[j].x;
                out[i][j] += a.y * b[j].y;
                out[i][j] += a.z * b[j].z;
                out[i][j] += a.w * b[j].w;
            }
        }
    }
}

/// This thread's scores of columns [first, first + Columns) to their places in a tile of weights.
template <int Columns = kTile, int R>
__device__ __forceinline__ void put_weights(float* weights, const float (&w)[R][4], int first = 0) {
    constexpr int pitch = kWeightPitch<Columns>;
    float* to = weights + first_row() * pitch + column();
#pragma unroll
    for (int i = 0; i < R; ++i)
#pragma unroll
        for (int j = 0; j < Columns / kColumns; ++j)
            to[i * (kTile / R) * pitch + j * kColumns] = w[i][first / kColumns + j];
}

/// First head column of this thread's group g of owned ones; groups of at most four.
template <int Cap>
__device__ __forceinline__ int owned_column(int g) {
    constexpr int width = kOwned<Cap> < 4 ? kOwned<Cap> : 4;
    return g * kColumns * width + column() * width;
}

/// This thread's columns of a tile's row.
template <int Cap>
__device__ __forceinline__ void load_owned(float (&x)[kOwned<Cap>], const float* row) {
    if constexpr (kOwned<Cap> <= 4) {
        load(x, row + owned_column<Cap>(0));
    } else {
#pragma unroll
        for (int g = 0; g < kOwned<Cap> / 4; ++g)
            *reinterpret_cast<float4*>(x + 4 * g) =
                *reinterpret_cast<const float4*>(row + owned_column<Cap>(g));
    }
}

/// sum[i] += sum over k < count of weights[first_row + i * 64 / R][k] tile[k], in this thread's columns.
/// Weights from count up to the next four are zeros.
template <int Cap, int Columns = kTile, int R>
__device__ __forceinline__ void add_weighted(float (&sum)[R][kOwned<Cap>], const float* weights,
                                             const float* tile, int count) {
    constexpr int pitch = kWeightPitch<Columns>;
    const float* w = weights + first_row() * pitch;
#pragma unroll 1
    for (int k = 0; k < count; k += 4) {
        float y[4][kOwned<Cap>];
#pragma unroll
        for (int n = 0; n < 4; ++n) load_owned<Cap>(y[n], tile + (k + n) * kPitch<Cap>);
#pragma unroll
        for (int i = 0; i < R; ++i) {
            const float4 a = *reinterpret_cast<const float4*>(w + i * (kTile / R) * pitch + k);
#pragma unroll
            for (int c = 0; c < kOwned<Cap>; ++c) {
                sum[i][c] += a.x * y[0][c];
                sum[i][c] += a.y * y[1][c];
                sum[i][c] += a.z * y[2][c];
                sum[i][c] += a.w * y[3][c];
            }
        }
    }
}

/// As add_weighted, with weights that are still the threads' scores. They pass through a tile of half
/// their columns, [64,48] floats, so that two blocks with heads of 64 fit into an A100's multiprocessor.
/// A row of weights is written and read by the same 16 threads: warps need not wait for each other.
template <int Cap, int R>
__device__ __forceinline__ void add_product(float (&sum)[R][kOwned<Cap>], float* half,
                                            const float (&w)[R][4], const float* tile, int count) {
    constexpr int columns = kTile / 2;
#pragma unroll
    for (int first = 0; first < kTile; first += columns) {
        __syncwarp();  // what was there has been read
        put_weights<columns>(half, w, first);
        __syncwarp();
        add_weighted<Cap, columns>(sum, half, tile + first * kPitch<Cap>,
                                   min(count - first, columns));
    }
}

/// sum[i] += sum over k < count of weights[k][4 first_row + i] tile[k], in this thread's columns.
template <int Cap>
__device__ __forceinline__ void add_weighted_transposed(float (&sum)[4][kOwned<Cap>],
                                                        const float* weights, const float* tile,
                                                        int count) {
    const float* w = weights + 4 * first_row();
#pragma unroll 1
    for (int k = 0; k < count; ++k) {
        float y[kOwned<Cap>];
        load_owned<Cap>(y, tile + k * kPitch<Cap>);
        const float4 a = *reinterpret_cast<const float4*>(w + k * kWeightPitch<kTile>);
#pragma unroll
        for (int c = 0; c < kOwned<Cap>; ++c) {
            sum[0][c] += a.x * y[c];
            sum[1][c] += a.y * y[c];
            sum[2][c] += a.z * y[c];
            sum[3][c] += a.w * y[c];
        }
    }
}

/// factor * x to this thread's columns of a row of D elements in global memory.
template <int Cap, class T>
__device__ __forceinline__ void store_owned(T* row, const float (&x)[kOwned<Cap>], float factor,
                                            int D, bool vector) {
    constexpr int width = kOwned<Cap> < 4 ? kOwned<Cap> : 4;
#pragma unroll
    for (int g = 0; g < kOwned<Cap> / width; ++g) {
        const int d = owned_column<Cap>(g);
        float y[width];
#pragma unroll
        for (int i = 0; i < width; ++i) y[i] = factor * x[g * width + i];
        if (vector && d < D) {
            store(row + d, y);
        } else {
#pragma unroll
            for (int i = 0; i < width; ++i)
                if (d + i < D) row[d + i] = from_float<T>(y[i]);
        }
    }
}

/// What exp2 subtracts from a row's scores for its probabilities: its log sum exp, in base 2. A row
/// that attends to nothing has -inf, and +inf here: its probabilities are zeros.
__device__ __forceinline__ float probability_shift(float lse) {
    return lse == -INFINITY ? INFINITY : lse * kLog2e;
}

/// Calls f with the smallest Cap (an integral constant) that a head dimension fits into.
template <class F>
void with_cap(Index D, F f) {
    if (D <= 32) return f(std::integral_constant<int, 32>{});
    if (D <= 64) return f(std::integral_constant<int, 64>{});
    if (D <= kLargestHead) return f(std::integral_constant<int, 128>{});
    throw std::runtime_error("attention on CUDA: a head has at most 128 dimensions, not " +
                             std::to_string(D));
}

/// May rows that start at `data`, with these strides and D elements, be read four at a time?
template <class... Strides>
bool in_fours(const void* data, DType dtype, Index D, Strides... strides) {
    return reinterpret_cast<std::uintptr_t>(data) % (4 * size_of(dtype)) == 0 && D % 4 == 0 &&
           ((strides % 4 == 0) && ...);
}

}  // namespace fovea::kernels::cuda::attention
