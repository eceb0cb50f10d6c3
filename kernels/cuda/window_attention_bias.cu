// Second stage of the bias table's gradient: dtable[r, head] (+)= sum over parts, in order, of
// partial[part][head][r]. One thread an element; reads every partial table once, in order of addresses,
// and dtable's columns of few numbers across rows.
#include "kernels/cuda/window_attention_bias.cuh"

namespace fovea::kernels::cuda::attention {
namespace {

__global__ void __launch_bounds__(128)
    add_tables(float* __restrict__ dtable, const float* __restrict__ partial, const Index parts,
               const Index rows, const Index heads, const bool accumulate) {
    const Index i = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x, size = rows * heads;
    if (i >= size) return;
    float sum = 0.0F;
#pragma unroll 8
    for (Index part = 0; part < parts; ++part) sum += partial[part * size + i];
    float* const to = dtable + i % rows * heads + i / rows;
    *to = accumulate ? *to + sum : sum;
}

}  // namespace

void add_partial_tables(const Stream& stream, float* dtable, const float* partial, Index parts,
                        Index rows, Index heads, GradMode mode) {
    launch(stream, {dim3(static_cast<unsigned>(ceil_div(rows * heads, 128))), dim3(128)},
           add_tables, dtable, partial, parts, rows, heads, mode == GradMode::Accumulate);
}

}  // namespace fovea::kernels::cuda::attention
