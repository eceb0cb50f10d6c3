// Attention on CUDA cores, for attention.cu to choose; arguments as in kernels/include/attention.h.
#pragma once

#include "kernels/include/kernel.h"

namespace fovea::kernels::cuda {

void attention_forward_plain(const Stream& stream, View o, View lse, CView q, CView k, CView v,
                             double scale);
void attention_backward_plain(const Stream& stream, View dq, View dk, View dv, CView dout, CView o,
                              CView lse, CView q, CView k, CView v, double scale);

}  // namespace fovea::kernels::cuda
