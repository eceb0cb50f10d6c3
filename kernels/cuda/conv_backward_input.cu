// Gradient of a convolution for its input:
//   dx[n, h, w, i] = sum over (r, s, o) of dy[n, p, q, o] w[o, r, s, i]
//                    with h = p stride - padding + r dilation
// The GEMM of conv_gather.cuh with M = pixels of x, N = I / groups, K = taps O / groups, for each
// of the stride[0] stride[1] classes of pixels with its own taps: a 3x3 filter of stride 2 takes 1,
// 2, 2 and 4 taps instead of 9 masked ones. dx is overwritten, pixels that no window sees with
// zeros; no atomics.
#include "kernels/cuda/conv_gather.cuh"
#include "kernels/cuda/conv_paths.h"

namespace fovea::kernels::cuda {

void gemm_conv_backward_input(const Stream& stream, View dx, CView dy, CView w,
                              const ConvParams& params) {
    launch_gather<Direction::BackwardInput>(stream, dx, dy, w, CView{}, params);
}

}  // namespace fovea::kernels::cuda
