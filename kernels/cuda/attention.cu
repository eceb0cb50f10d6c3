// kernels/include/attention.h on CUDA: who computes what.
#include "kernels/include/attention.h"

#include "kernels/cuda/attention_plain.h"

namespace fovea::kernels::cuda {

void attention_forward(const Stream& stream, View o, View lse, CView q, CView k, CView v,
                       double scale) {
    attention_forward_plain(stream, o, lse, q, k, v, scale);
}

void attention_backward(const Stream& stream, View dq, View dk, View dv, CView dout, CView o,
                        CView lse, CView q, CView k, CView v, double scale) {
    attention_backward_plain(stream, dq, dk, dv, dout, o, lse, q, k, v, scale);
}

}  // namespace fovea::kernels::cuda
