// Mean and variance of columns without cancellation: a set of numbers is {count, mean, sum of squared
// deviations from that mean}, and two sets merge exactly (Chan, Golub and LeVeque 1983).
#pragma once

#include "kernels/cuda/columns.cuh"

namespace fovea::kernels::cuda {

/// Statistics of V columns, which have the same count.
template <int V>
struct Moments {
    float count = 0.0f, mean[V] = {}, squares[V] = {};

    __device__ __forceinline__ void merge(const Moments& other) {
        if (other.count == 0.0f) return;
        const float total = count + other.count, share = other.count / total;
        const float cross = count * share;
#pragma unroll
        for (int i = 0; i < V; ++i) {
            const float delta = other.mean[i] - mean[i];
            mean[i] += delta * share;
            squares[i] += other.squares[i] + delta * delta * cross;
        }
        count = total;
    }
};

/// The statistics of n <= Rows rows (n > 0), two passes over registers.
template <int Rows, int V>
__device__ __forceinline__ Moments<V> moments_of(const float (&x)[Rows][V], int n) {
    Moments<V> m;
    m.count = static_cast<float>(n);
#pragma unroll
    for (int i = 0; i < V; ++i) {
#pragma unroll
        for (int r = 0; r < Rows; ++r) m.mean[i] += r < n ? x[r][i] : 0.0f;
        m.mean[i] /= m.count;
#pragma unroll
        for (int r = 0; r < Rows; ++r) {
            const float d = r < n ? x[r][i] - m.mean[i] : 0.0f;
            m.squares[i] += d * d;
        }
    }
    return m;
}

}  // namespace fovea::kernels::cuda
