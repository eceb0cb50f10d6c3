// What softmax and cross-entropy share: the largest element of a row and the sum of exp(x - largest).
#pragma once

#include "kernels/cuda/row.cuh"

namespace fovea::kernels::cuda {

/// shift is subtracted before exp: the largest element, or 0 where all are -inf (then sum is 0).
struct RowExponents {
    float shift, sum;
};

__device__ __forceinline__ float shift_of(float largest) {
    return largest == -INFINITY ? 0.0f : largest;
}

/// Sum over the row of term(z, column), which is exp(z) or 0 for z = x - shift. A kept row holds z
/// afterwards, or what term() leaves in its place. `scratch`: two arrays of one float a warp.
template <class Plan, class Row, class Term>
__device__ __forceinline__ RowExponents row_exponents(Row& row, float (&scratch)[2][Plan::kWarps],
                                                      Term term) {
    constexpr int V = Plan::V;
    float largest = -INFINITY, sum = 0.0f, shift = 0.0f;
    if constexpr (Row::kept) {
        row.visit([&](const float(&x)[V], int) {
#pragma unroll
            for (int i = 0; i < V; ++i) largest = fmaxf(largest, x[i]);
        });
        shift = shift_of(team_reduce<Plan>(largest, scratch[0], Larger{}));
        row.visit([&](float(&x)[V], int c) {
#pragma unroll
            for (int i = 0; i < V; ++i) {
                x[i] -= shift;
                sum += term(x[i], c + i);
            }
        });
    } else {
        // One pass over memory: each lane follows its own maximum and rescales its sum.
        row.visit([&](float(&x)[V], int c) {
            const float before = largest;
#pragma unroll
            for (int i = 0; i < V; ++i) largest = fmaxf(largest, x[i]);
            sum *= expf(before - shift_of(largest));
#pragma unroll
            for (int i = 0; i < V; ++i) {
                x[i] -= shift_of(largest);
                sum += term(x[i], c + i);
            }
        });
        shift = shift_of(team_reduce<Plan>(largest, scratch[0], Larger{}));
        sum *= expf(shift_of(largest) - shift);
    }
    return {shift, team_reduce<Plan>(sum, scratch[1])};
}

}  // namespace fovea::kernels::cuda
