// Pooling and resampling of channels-last maps.
#pragma once

#include "core/tensor.h"
#include "kernels/include/pool.h"
#include "kernels/include/resize.h"

namespace fovea::ops {

/// x [N,H,W,C] -> [N,P,Q,C].
Tensor max_pool2d(const Tensor& x, const PoolParams& params);
Tensor avg_pool2d(const Tensor& x, const PoolParams& params);
/// Result [N,rows,columns,C]; window i of n covers [floor(i in / n), ceil((i+1) in / n)).
Tensor adaptive_avg_pool2d(const Tensor& x, std::int64_t rows, std::int64_t columns);

/// Resampling as torch.nn.functional.interpolate to [N,rows,columns,C].
Tensor interpolate(const Tensor& x, std::int64_t rows, std::int64_t columns,
                   const ResizeParams& params);

}  // namespace fovea::ops
