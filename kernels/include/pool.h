// Pooling, channels-last: x [N,H,W,C], y [N,P,Q,C].
#pragma once

#include "kernels/include/kernel.h"

namespace fovea {

struct PoolParams {
    std::int64_t kernel[2] = {2, 2};
    std::int64_t stride[2] = {2, 2};
    std::int64_t padding[2] = {0, 0};
    bool ceil_mode = false;
    bool count_include_pad = true;  ///< average pooling only

    /// Output extent as PyTorch: with ceil_mode the last window must start inside the input or the
    /// left padding. 0 if there is no window.
    constexpr std::int64_t out(int axis, std::int64_t in) const {
        const std::int64_t span =
            in + 2 * padding[axis] - kernel[axis] + (ceil_mode ? stride[axis] - 1 : 0);
        if (span < 0) return 0;
        std::int64_t n = span / stride[axis] + 1;
        if (ceil_mode && (n - 1) * stride[axis] >= in + padding[axis]) --n;
        return n;
    }
};

namespace kernels {

/// index [N,P,Q,C] (I32) = h * W + w of the maximum (the first on ties; NaN wins), for backward.
KERNEL(max_pool_forward, View y, View index, CView x, const PoolParams& params);
/// dx is overwritten; overlapping windows add up in a fixed order.
KERNEL(max_pool_backward, View dx, CView dy, CView index, const PoolParams& params);

KERNEL(avg_pool_forward, View y, CView x, const PoolParams& params);
KERNEL(avg_pool_backward, View dx, CView dy, const PoolParams& params);

/// Window i of n outputs covers [floor(i in / n), ceil((i+1) in / n)).
KERNEL(adaptive_avg_pool_forward, View y, CView x);
KERNEL(adaptive_avg_pool_backward, View dx, CView dy);

}  // namespace kernels
}  // namespace fovea
