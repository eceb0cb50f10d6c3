// Convolutions by cuDNN, in a build with FOVEA_CUDNN. Arguments as in kernels/include/conv.h, not
// empty. Each returns false, and does nothing, where cuDNN has no engine that gives the same bits
// on every run.
#pragma once

#include "kernels/include/conv.h"

namespace fovea::kernels::cuda {

bool cudnn_conv_forward(const Stream&, View y, CView x, CView w, CView bias, const ConvParams&);
bool cudnn_conv_backward_input(const Stream&, View dx, CView dy, CView w, const ConvParams&);
/// dw alone.
bool cudnn_conv_backward_weight(const Stream&, View dw, CView dy, CView x, const ConvParams&,
                                GradMode);

}  // namespace fovea::kernels::cuda
