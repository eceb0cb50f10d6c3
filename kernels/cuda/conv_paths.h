// The ways a convolution can be computed; conv.cu picks one. Arguments as in
// kernels/include/conv.h. Outputs are not empty, and neither are the inputs; dw is wanted, dbias
// may be empty.
#pragma once

#include "kernels/include/conv.h"

namespace fovea::kernels::cuda {

/// Implicit GEMM on CUDA cores: any shape.
void gemm_conv_forward(const Stream&, View y, CView x, CView w, CView bias, const ConvParams&);
void gemm_conv_backward_input(const Stream&, View dx, CView dy, CView w, const ConvParams&);
void gemm_conv_backward_weight(const Stream&, View dw, View dbias, CView dy, CView x,
                               const ConvParams&, GradMode);

/// One filter a channel: w [C,R,S,1], groups = C.
void depthwise_forward(const Stream&, View y, CView x, CView w, CView bias, const ConvParams&);
void depthwise_backward_input(const Stream&, View dx, CView dy, CView w, const ConvParams&);
void depthwise_backward_weight(const Stream&, View dw, View dbias, CView dy, CView x,
                               const ConvParams&, GradMode);

}  // namespace fovea::kernels::cuda
