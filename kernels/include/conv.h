// 2-D convolution (cross-correlation, as PyTorch), channels-last.
#pragma once

#include "kernels/include/kernel.h"

namespace fovea {

/// Rows first: {height, width}. Depthwise convolution has groups = channels.
struct ConvParams {
    std::int64_t stride[2] = {1, 1};
    std::int64_t padding[2] = {0, 0};
    std::int64_t dilation[2] = {1, 1};
    std::int64_t groups = 1;

    /// Output extent along axis 0 (rows) or 1 (columns) for an input extent and a kernel extent; 0
    /// if the kernel does not fit into the padded input.
    constexpr std::int64_t out(int axis, std::int64_t in, std::int64_t kernel) const {
        const std::int64_t span = in + 2 * padding[axis] - dilation[axis] * (kernel - 1) - 1;
        return span < 0 ? 0 : span / stride[axis] + 1;
    }
};

namespace kernels {

/// y [N,P,Q,O] = x [N,H,W,I] * w [O,R,S,I/groups] + bias [O]. bias may be empty.
KERNEL(conv2d_forward, View y, CView x, CView w, CView bias, const ConvParams& params);

/// dx (overwritten).
KERNEL(conv2d_backward_input, View dx, CView dy, CView w, const ConvParams& params);

/// dw, dbias by mode; dbias may be empty.
KERNEL(conv2d_backward_weight, View dw, View dbias, CView dy, CView x, const ConvParams& params,
       GradMode mode);

}  // namespace kernels
}  // namespace fovea
