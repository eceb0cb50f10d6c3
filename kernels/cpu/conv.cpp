// 2-D convolution, channels-last. Three ways, by shape:
//   depthwise            -> our own kernels (depthwise_conv.cpp)
//   1x1, stride 1        -> a linear layer over all pixels
//   everything else      -> oneDNN's convolution (dnnl_conv.cpp)
#include "kernels/include/conv.h"

#include "kernels/cpu/depthwise_conv.h"
#include "kernels/cpu/dnnl_conv.h"
#include "kernels/include/matmul.h"

namespace fovea::kernels::cpu {
namespace {

/// One filter per channel: w is [C,R,S,1] with C groups.
bool depthwise(const CView& w, const ConvParams& p) {
    return p.groups > 1 && p.groups == w.dim(0) && w.dim(3) == 1;
}

/// Does every output pixel depend on the same pixel of the input alone?
bool pointwise(const CView& w, const ConvParams& p) {
    return p.groups == 1 && w.dim(1) == 1 && w.dim(2) == 1 && p.stride[0] == 1 &&
           p.stride[1] == 1 && p.padding[0] == 0 && p.padding[1] == 0;
}

/// The same memory as a matrix with `columns` columns.
template <class V>
V as_matrix(V v, std::int64_t columns) {
    if (!v) return v;
    v.shape = {v.numel() / columns, columns};
    v.strides = {columns, 1};
    return v;
}

}  // namespace

void conv2d_forward(const Stream& stream, View y, CView x, CView w, CView bias,
                    const ConvParams& params) {
    if (y.numel() == 0) return;
    if (depthwise(w, params)) return depthwise_forward(y, x, w, bias, params);
    if (pointwise(w, params))
        return linear_forward(stream, as_matrix(y, w.dim(0)), as_matrix(x, w.dim(3)),
                              as_matrix(w, w.dim(3)), bias, Unary::Identity);
    dnnl_conv_forward(y, x, w, bias, params);
}

void conv2d_backward_input(const Stream& stream, View dx, CView dy, CView w,
                           const ConvParams& params) {
    if (dx.numel() == 0) return;
    if (dy.numel() == 0) return fill(stream, dx, 0.0);
    if (depthwise(w, params)) return depthwise_backward_input(dx, dy, w, params);
    if (pointwise(w, params))
        return linear_backward_input(stream, as_matrix(dx, w.dim(3)), as_matrix(dy, w.dim(0)),
                                     as_matrix(w, w.dim(3)), GradMode::Overwrite);
    dnnl_conv_backward_input(dx, dy, w, params);
}

void conv2d_backward_weight(const Stream& stream, View dw, View dbias, CView dy, CView x,
                            const ConvParams& params, GradMode mode) {
    if (mode == GradMode::Ignore || dw.numel() == 0) return;
    if (dy.numel() == 0) {
        if (mode == GradMode::Overwrite) fill(stream, dw, 0.0);
        if (mode == GradMode::Overwrite && dbias) fill(stream, dbias, 0.0);
        return;
    }
    if (depthwise(dw, params)) return depthwise_backward_weight(dw, dbias, dy, x, params, mode);
    if (pointwise(dw, params))
        return linear_backward_weight(stream, as_matrix(dw, dw.dim(3)), dbias,
                                      as_matrix(dy, dw.dim(0)), as_matrix(x, dw.dim(3)), mode);
    dnnl_conv_backward_weight(dw, dbias, dy, x, params, mode);
}

}  // namespace fovea::kernels::cpu
