// Convolution forward: y [N,P,Q,O] = x [N,H,W,I] * w [O,R,S,I/groups] + bias [O]. The GEMM of
// conv_gather.cuh with M = N P Q, N = O / groups, K = R S I / groups; the bias is added in the
// epilogue. Moves x, w and y once, 16 bytes at a time where I / groups and O / groups allow it.
#include "kernels/cuda/conv_gather.cuh"
#include "kernels/cuda/conv_paths.h"

namespace fovea::kernels::cuda {

void gemm_conv_forward(const Stream& stream, View y, CView x, CView w, CView bias,
                       const ConvParams& params) {
    launch_gather<Direction::Forward>(stream, y, x, w, bias, params);
}

}  // namespace fovea::kernels::cuda
