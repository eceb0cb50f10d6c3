// Depthwise convolution: one RxS filter per channel, channels-last, vectorised over channels.
// Arguments as in kernels/include/conv.h with groups = channels: w [C,R,S,1]. Any size, stride,
// padding and dilation; 3x3 filters without dilation have fast paths.
#pragma once

#include "kernels/include/conv.h"

namespace fovea::kernels::cpu {

void depthwise_forward(View y, CView x, CView w, CView bias, const ConvParams& params);

void depthwise_backward_input(View dx, CView dy, CView w, const ConvParams& params);

void depthwise_backward_weight(View dw, View dbias, CView dy, CView x, const ConvParams& params,
                               GradMode mode);

}  // namespace fovea::kernels::cpu
