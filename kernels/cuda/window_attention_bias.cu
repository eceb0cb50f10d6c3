// Second stage of the bias table's gradient: dtable[i] (+)= sum over parts, in order, of
// partial[part][i]. One thread an element; reads every partial table once.
#include "kernels/cuda/window_attention_bias.cuh"

namespace fovea::kernels::cuda::attention {
namespace {

__global__ void __launch_bounds__(128)
    add_tables(float* __restrict__ dtable, const float* __restrict__ partial, const Index parts,
               const Index size, const bool accumulate) {
    const Index i = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (i >= size) return;
    float sum = 0.0F;
#pragma unroll 4
    for (Index part = 0; part < parts; ++part) sum += partial[part * size + i];
    dtable[i] = accumulate ? dtable[i] + sum : sum;
}

}  // namespace

void add_partial_tables(const Stream& stream, float* dtable, const float* partial, Index parts,
                        Index size, GradMode mode) {
    launch(stream, {dim3(static_cast<unsigned>(ceil_div(size, 128))), dim3(128)}, add_tables,
           dtable, partial, parts, size, mode == GradMode::Accumulate);
}

}  // namespace fovea::kernels::cuda::attention
