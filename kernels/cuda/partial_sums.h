// The second stage of a reduction over rows: adds up the partial sums of the first stage's blocks, in
// their order.
#pragma once

#include "kernels/cuda/launch.cuh"

namespace fovea::kernels::cuda {

/// first[c] (+)= sum over p of partials[p, 0, c] and second[c] (+)= sum over p of partials[p, 1, c];
/// partials [parts, 2, columns], F32. Either output may be null, and both are left alone by
/// GradMode::Ignore. sums [2, columns], if not null, gets the bare sums. Always in the same order.
void sum_partials(const Stream& stream, float* first, float* second, const float* partials,
                  Index parts, Index columns, GradMode mode, float* sums = nullptr);

}  // namespace fovea::kernels::cuda
