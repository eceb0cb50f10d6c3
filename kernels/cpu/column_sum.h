// Sums over the rows of a matrix: the bias gradient of linear and convolution layers.
#pragma once

#include <cstdint>

#include "kernels/include/kernel.h"

namespace fovea::kernels::cpu {

/// sums [N] (+)= column sums of x [M,N], contiguous. Each thread sums a fixed block of rows, then
/// the blocks are added in order: the bits depend on the number of threads only.
void column_sum(float* sums, const float* x, std::int64_t M, std::int64_t N, GradMode mode);

/// out[i] (+)= sum over p, in order, of partials[p * stride + i], for i < n.
void add_partials(float* out, const float* partials, std::int64_t count, std::int64_t stride,
                  std::int64_t n, GradMode mode);

}  // namespace fovea::kernels::cpu
