// Convolution on oneDNN, any groups, stride, padding and dilation. Arguments as in
// kernels/include/conv.h; extents are positive.
#pragma once

#include "kernels/include/conv.h"

namespace fovea::kernels::cpu {

void dnnl_conv_forward(View y, CView x, CView w, CView bias, const ConvParams& params);

void dnnl_conv_backward_input(View dx, CView dy, CView w, const ConvParams& params);

void dnnl_conv_backward_weight(View dw, View dbias, CView dy, CView x, const ConvParams& params,
                               GradMode mode);

}  // namespace fovea::kernels::cpu
