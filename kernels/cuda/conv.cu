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

/// Windows that lie side by side along a line and share none of its pixels (ViT's patches): then the S
/// pixels under a row of the filter are neighbours in memory, and as good as S * C channels of one
/// pixel. The implicit GEMM reads them 16 bytes at a time even where C is 3.
bool side_by_side(const CView& x, const CView& w, const ConvParams& p) {
    const Index S = w.dim(2);
    return S > 1 && p.groups == 1 && p.stride[1] == S && p.padding[1] == 0 && p.dilation[1] == 1 &&
           x.dim(2) % S == 0;
}

/// [A, B, S * n, C] -> [A, B, n, S * C], in place.
template <class V>
void join_columns(V& v, Index S) {
    v.shape = {v.dim(0), v.dim(1), v.dim(2) / S, S * v.dim(3)};
    v.strides = contiguous_strides(v.shape);
}

/// The same convolution with as few columns in the filter as there can be.
template <class X, class W>
void simplify(X& x, W& w, ConvParams& p) {
    if (!side_by_side(x, w, p)) return;
    const Index S = w.dim(2);
    join_columns(x, S);
    join_columns(w, S);
    p.stride[1] = 1;
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
                    const ConvParams& given) {
    ConvParams params = given;
    if (y.numel() == 0) return;
    if (depthwise(w, params)) return depthwise_forward(stream, y, x, w, bias, params);
    if constexpr (kCudnn)
        if (cudnn_conv_forward(stream, y, x, w, bias, params)) return;
    simplify(x, w, params);
    gemm_conv_forward(stream, y, x, w, bias, params);
}

void conv2d_backward_input(const Stream& stream, View dx, CView dy, CView w,
                           const ConvParams& given) {
    ConvParams params = given;
    if (dx.numel() == 0) return;
    if (dy.numel() == 0) return zero(stream, dx);
    if (depthwise(w, params)) return depthwise_backward_input(stream, dx, dy, w, params);
    if constexpr (kCudnn)
        if (cudnn_conv_backward_input(stream, dx, dy, w, params)) return;
    simplify(dx, w, params);
    gemm_conv_backward_input(stream, dx, dy, w, params);
}

void conv2d_backward_weight(const Stream& stream, View dw, View dbias, CView dy, CView x,
                            const ConvParams& given, GradMode mode) {
    ConvParams params = given;
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
    if (!done) {
        simplify(x, dw, params);
        return gemm_conv_backward_weight(stream, dw, dbias, dy, x, params, mode);
    }
    if (dbias) reduce_sum(stream, as_rows(dbias), as_rows(dy), 1.0, mode);
}

}  // namespace fovea::kernels::cuda
