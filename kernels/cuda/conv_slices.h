// The ordered second stage of the depthwise convolutions' weight gradients.
#pragma once

#include "kernels/include/kernel.h"

namespace fovea::kernels::cuda {

/// out[i] (=, +=) sum over p < count of partials[p, i]; out F32 or BF16, contiguous, partials F32
/// [count, out.numel()] in device memory. The order of the sum depends on count alone.
void sum_slices(const Stream& stream, View out, const float* partials, std::int64_t count,
                GradMode mode);

}  // namespace fovea::kernels::cuda
