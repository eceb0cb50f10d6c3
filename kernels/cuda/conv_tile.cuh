// The inner loop of the convolution GEMMs on CUDA cores: a 128 x 64 tile of sums in the registers
// of 128 threads, float, fed through shared memory in steps of 16 along the summed axis.
//
//   sum[i][j] += a[k][i] * b[k][j]      a (16, 128), b (16, 64), two stages each: 24 KiB
//
// Thread (tx, ty) of an 8 x 16 grid owns 8 x 8 sums, rows {0, 64} + 4 ty + 0..3 and columns
// {0, 32} + 4 tx + 0..3: fragments are read 16 bytes at a time, a quarter warp reads one broadcast
// word of a and 128 consecutive bytes of b, so no bank conflicts.
//
// What fills a and b are two operands, classes with fetch(), which loads the next step's share of a
// thread into registers (while the current step is computed), and store(stage). A share is a chunk
// of 16 bytes (kLanes<T> elements), either along k, and then it is transposed on its way into
// shared memory, or along i. Columns of a stage are permuted by `swizzled`, so that transposed
// stores, 32 / (16 / lanes) neighbouring rows of 16 / lanes chunks, meet 32 different banks.
#pragma once

#include "kernels/cuda/numbers.cuh"
#include "kernels/cuda/shared_store.cuh"

namespace fovea::kernels::cuda {

inline constexpr int kTileRows = 128, kTileColumns = 64, kTileDepth = 16, kTileThreads = 128;

struct TileMemory {
    float a[2][kTileDepth][kTileRows];
    float b[2][kTileDepth][kTileColumns];
};

using Sums = float[8][8];

__device__ __forceinline__ int tile_row(int i) {
    return i / 4 * 64 + static_cast<int>(threadIdx.x) / 8 * 4 + i % 4;
}
__device__ __forceinline__ int tile_column(int j) {
    return j / 4 * 32 + static_cast<int>(threadIdx.x) % 8 * 4 + j % 4;
}

/// Where column i of row k lies. Keeps every aligned group of 2 * Lanes columns together.
template <int Lanes>
__device__ __forceinline__ int swizzled(int k, int i) {
    return i ^ (k / Lanes * (2 * Lanes));
}

template <int Lanes>
__device__ __forceinline__ void multiply(Sums& sum, const float (&a)[kTileDepth][kTileRows],
                                         const float (&b)[kTileDepth][kTileColumns]) {
#pragma unroll
    for (int k = 0; k < kTileDepth; ++k) {
        float x[2][4], y[2][4];
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            load<4>(x[half], &a[k][swizzled<Lanes>(k, tile_row(4 * half))]);
            load<4>(y[half], &b[k][swizzled<Lanes>(k, tile_column(4 * half))]);
        }
#pragma unroll
        for (int i = 0; i < 8; ++i)
#pragma unroll
            for (int j = 0; j < 8; ++j) sum[i][j] += x[i / 4][i % 4] * y[j / 4][j % 4];
    }
}

/// A chunk along k, beginning at (k, i).
template <class T, int Width>
__device__ __forceinline__ void store_along_k(float (&stage)[kTileDepth][Width], int k, int i,
                                              const uint4& chunk) {
    float x[kLanes<T>];
    load<kLanes<T>>(x, reinterpret_cast<const T*>(&chunk));
    const int column = swizzled<kLanes<T>>(k, i);
#pragma unroll
    for (int e = 0; e < kLanes<T>; ++e) stage[k + e][column] = x[e];
}

/// A chunk along i, beginning at (k, i). Eight bfloat16 become 32 bytes, in two stores: every
/// second group of four threads stores its upper half first, which keeps quarter warps free of
/// conflicts.
template <class T, int Width>
__device__ __forceinline__ void store_along_i(float (&stage)[kTileDepth][Width], int k, int i,
                                              const uint4& chunk) {
    float x[kLanes<T>];
    load<kLanes<T>>(x, reinterpret_cast<const T*>(&chunk));
    float* row = &stage[k][swizzled<kLanes<T>>(k, i)];
    constexpr int halves = kLanes<T> / 4;
    const int turn = static_cast<int>(threadIdx.x) / 4 % halves;
#pragma unroll
    for (int h = 0; h < halves; ++h) {
        const int half = h ^ turn;
        float y[4];
#pragma unroll
        for (int e = 0; e < 4; ++e) y[e] = half == 0 ? x[e] : x[e + 4 * (halves - 1)];
        store_shared(row + 4 * half, y[0], y[1], y[2], y[3]);
    }
}

/// Adds `steps` steps to the sums. observe(b) sees every stage of b before it is overwritten.
template <int Lanes, class A, class B, class Observe>
__device__ __forceinline__ void accumulate(Sums& sum, TileMemory& memory, A& a, B& b, int steps,
                                           Observe observe) {
    if (steps == 0) return;
    a.fetch();
    b.fetch();
    a.store(memory.a[0]);
    b.store(memory.b[0]);
    __syncthreads();
    for (int step = 0; step < steps; ++step) {
        const int now = step % 2;
        const bool more = step + 1 < steps;
        if (more) {
            a.fetch();
            b.fetch();
        }
        multiply<Lanes>(sum, memory.a[now], memory.b[now]);
        observe(memory.b[now]);
        if (more) {
            a.store(memory.a[1 - now]);
            b.store(memory.b[1 - now]);
        }
        __syncthreads();
    }
}

}  // namespace fovea::kernels::cuda
