// 2-D convolution, channels-last, T in {F32, BF16}, float accumulation. Which way, by shape:
//   one filter a channel   -> depthwise_*.cu
//   everything else        -> implicit GEMM, conv_*.cu
// In a build with FOVEA_CUDNN everything else goes to cuDNN first, where it has an engine.
#include "kernels/cuda/conv_paths.h"
#include "kernels/cuda/cudnn_conv.h"
#include "kernels/cuda/launch.cuh"
#include "kernels/include/reduce.h"

namespace fovea::kernels::cuda {
namespace {

/// w [C,R,S,1] with C groups.
bool depthwise(const CView& w, const ConvParams& p) {
    return p.groups == w.dim(0) && w.dim(3) == 1;
}

#ifdef FOVEA_CUDNN
constexpr bool kCudnn = true;
#else
constexpr bool kCudnn = false;
#endif

void zero(const Stream& stream, const View& v) {
    FOVEA_CUDA_CHECK(cudaMemsetAsync(
        v.data, 0, static_cast<std::size_t>(v.numel()) * size_of(v.dtype), handle(stream)));
}

/// The same memory as rows of the last axis.
template <class V>
V as_rows(V v) {
    const Index columns = v.dim(v.rank() - 1);
    v.shape = {v.numel() / columns, columns};
    v.strides = {columns, 1};
    return v;
}

}  // namespace

void conv2d_forward(const Stream& stream, View y, CView x, CView w, CView bias,
                    const ConvParams& params) {
    if (y.numel() == 0) return;
    if (depthwise(w, params)) return depthwise_forward(stream, y, x, w, bias, params);
    if constexpr (kCudnn)
        if (cudnn_conv_forward(stream, y, x, w, bias, params)) return;
    gemm_conv_forward(stream, y, x, w, bias, params);
}

void conv2d_backward_input(const Stream& stream, View dx, CView dy, CView w,
                           const ConvParams& params) {
    if (dx.numel() == 0) return;
    if (dy.numel() == 0) return zero(stream, dx);
    if (depthwise(w, params)) return depthwise_backward_input(stream, dx, dy, w, params);
    if constexpr (kCudnn)
        if (cudnn_conv_backward_input(stream, dx, dy, w, params)) return;
    gemm_conv_backward_input(stream, dx, dy, w, params);
}

void conv2d_backward_weight(const Stream& stream, View dw, View dbias, CView dy, CView x,
                            const ConvParams& params, GradMode mode) {
    if (mode == GradMode::Ignore) return;
    if (dy.numel() == 0) {
        if (mode == GradMode::Overwrite && dw) zero(stream, dw);
        if (mode == GradMode::Overwrite && dbias) zero(stream, dbias);
        return;
    }
    if (dw && depthwise(dw, params))
        return depthwise_backward_weight(stream, dw, dbias, dy, x, params, mode);
    bool done = !dw;
    if constexpr (kCudnn)
        done = done || cudnn_conv_backward_weight(stream, dw, dy, x, params, mode);
    if (!done) return gemm_conv_backward_weight(stream, dw, dbias, dy, x, params, mode);
    if (dbias) reduce_sum(stream, as_rows(dbias), as_rows(dy), 1.0, mode);
}

}  // namespace fovea::kernels::cuda
