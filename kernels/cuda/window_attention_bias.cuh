// The gradient of window attention's bias table: dtable[r, head] = sum of dS[i,j] over all windows and
// all pairs of tokens (i, j) that share row r.
//
// Every thread adds up its own dS, window after window; a block turns the sums of its 64 x 64 pairs
// into one column of a partial table, each row added up by one thread in the order of the queries; a
// second kernel adds the partial tables in order. No atomics.
#pragma once

#include "kernels/cuda/attention_backward.cuh"
#include "kernels/cuda/window_attention.cuh"

namespace fovea::kernels::cuda::attention {

/// A thread's sums over windows of its dS.
struct GradientSums {
    float of[kBackwardRows][4] = {};

    __device__ __forceinline__ void operator()(const float (&ds)[kBackwardRows][4]) {
#pragma unroll
        for (int i = 0; i < kBackwardRows; ++i)
#pragma unroll
            for (int j = 0; j < 4; ++j) of[i][j] += ds[i][j];
    }
};

/// The block's sums to its head's column of a partial table, partial[table rows]; the pairs are those of
/// queries from first_query and keys from first_key on. weights: [64,80] floats of shared memory.
__device__ inline void fold_into_table(float* __restrict__ partial, float* weights,
                                       const GradientSums& sums, const WindowSizes& s,
                                       int first_query, int first_key) {
    __syncthreads();
    put_weights(weights, sums.of);
    __syncthreads();
    const int columns = static_cast<int>(s.grid.columns), rows = static_cast<int>(s.grid.rows);
    for (int r = static_cast<int>(threadIdx.x); r < s.table_rows; r += blockDim.x) {
        // Row r is of all pairs where the key lies `down` rows and `right` columns before the query.
        const int down = r / (2 * columns - 1) - (rows - 1);
        const int right = r % (2 * columns - 1) - (columns - 1);
        int key_row = first_query / columns - down, key_column = first_query % columns - right;
        float sum = 0.0F;
        for (int i = 0; i < kTile && first_query + i < s.tokens; ++i) {
            const int j = key_row * columns + key_column - first_key;
            const bool exists = key_row >= 0 && key_row < rows && key_column >= 0 &&
                                key_column < columns && j >= 0 && j < kTile;
            if (exists) sum += weights[i * kWeightPitch<kTile> + j];
            if (++key_column == columns - right) {  // the next query begins a row
                key_column = -right;
                ++key_row;
            }
        }
        partial[r] = sum;
    }
}

/// dtable [rows,heads] (+)= sum of partial [parts,heads,rows] over its parts, in order.
void add_partial_tables(const Stream& stream, float* dtable, const float* partial, Index parts,
                        Index rows, Index heads, GradMode mode);

}  // namespace fovea::kernels::cuda::attention
