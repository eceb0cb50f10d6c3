#include "kernels/cpu/dnnl_conv.h"

#include <cstddef>

#include "kernels/cpu/column_sum.h"
#include "kernels/cpu/dnnl_support.h"
#include "kernels/cpu/scratch.h"

namespace fovea::kernels::cpu {
namespace {

using Dims = dnnl::memory::dims;

/// [N,H,W,C] in memory; the library names the axes N,C,H,W.
dnnl::memory::desc image_desc(const CView& v) {
    const std::int64_t N = v.dim(0), H = v.dim(1), W = v.dim(2), C = v.dim(3);
    return f32_desc({N, C, H, W}, {H * W * C, 1, W * C, C});
}

/// The library's descriptors and numbers of one convolution.
struct Geometry {
    dnnl::memory::desc x, y, w, any_w, bias;
    Dims stride, dilation, before, after;

    /// w [O,R,S,I/groups] is only asked for its shape.
    Geometry(const CView& to, const CView& from, const CView& weights, const ConvParams& p)
        : x(image_desc(from)), y(image_desc(to)) {
        const std::int64_t G = p.groups, O = weights.dim(0), R = weights.dim(1);
        const std::int64_t S = weights.dim(2), I = weights.dim(3);
        const Dims extents = G == 1 ? Dims{O, I, R, S} : Dims{G, O / G, I, R, S};
        Dims strides{R * S * I, 1, S * I, I};
        if (G > 1) strides.insert(strides.begin(), O / G * R * S * I);
        w = f32_desc(extents, strides);
        any_w = f32_any(extents);
        bias = f32_desc({O}, {1});
        const std::int64_t kernel[2] = {R, S};
        for (int axis = 0; axis < 2; ++axis) {
            stride.push_back(p.stride[axis]);
            dilation.push_back(p.dilation[axis] - 1);  // the library counts skipped pixels
            before.push_back(p.padding[axis]);
            // What the last window needs behind the image; negative where it ends before the edge.
            after.push_back((to.dim(axis + 1) - 1) * p.stride[axis] +
                            p.dilation[axis] * (kernel[axis] - 1) + 1 - from.dim(axis + 1) -
                            p.padding[axis]);
        }
    }

    dnnl::convolution_forward::primitive_desc forward(bool with_bias) const {
        using Forward = dnnl::convolution_forward;
        constexpr auto kind = dnnl::prop_kind::forward_training;
        constexpr auto algorithm = dnnl::algorithm::convolution_direct;
        return {
            with_bias
                ? Forward::desc(kind, algorithm, x, any_w, bias, y, stride, dilation, before, after)
                : Forward::desc(kind, algorithm, x, any_w, y, stride, dilation, before, after),
            user_scratchpad(), dnnl_engine()};
    }
};

PlanKey key_of(int op, const CView& y, const CView& x, const CView& w, const ConvParams& p,
               std::int64_t flag) {
    return {op,           x.dim(0),     x.dim(1),      x.dim(2),      x.dim(3),    y.dim(1),
            y.dim(2),     y.dim(3),     w.dim(1),      w.dim(2),      p.stride[0], p.stride[1],
            p.padding[0], p.padding[1], p.dilation[0], p.dilation[1], p.groups,    flag};
}

Plan make_forward(const Geometry& g, bool with_bias) {
    const auto desc = g.forward(with_bias);
    Plan ready{Prepared(dnnl::convolution_forward(desc), desc.scratchpad_desc(),
                        {{DNNL_ARG_SRC, g.x},
                         {DNNL_ARG_WEIGHTS, desc.weights_desc()},
                         {DNNL_ARG_BIAS, desc.bias_desc()},
                         {DNNL_ARG_DST, g.y}}),
               {}};
    if (desc.weights_desc() != g.w) ready.reorder = make_reorder(g.w, desc.weights_desc(), false);
    return ready;
}

Plan make_backward_input(const Geometry& g) {
    using Backward = dnnl::convolution_backward_data;
    const Backward::primitive_desc desc({dnnl::algorithm::convolution_direct, g.x, g.any_w, g.y,
                                         g.stride, g.dilation, g.before, g.after},
                                        user_scratchpad(), dnnl_engine(), g.forward(false));
    Plan ready{Prepared(Backward(desc), desc.scratchpad_desc(),
                        {{DNNL_ARG_DIFF_DST, g.y},
                         {DNNL_ARG_WEIGHTS, desc.weights_desc()},
                         {DNNL_ARG_DIFF_SRC, g.x}}),
               {}};
    if (desc.weights_desc() != g.w) ready.reorder = make_reorder(g.w, desc.weights_desc(), false);
    return ready;
}

/// Gradients go to scratch memory in the library's layout, then back to (or onto) ours.
Plan make_backward_weight(const Geometry& g, bool accumulate) {
    using Backward = dnnl::convolution_backward_weights;
    const Backward::primitive_desc desc({dnnl::algorithm::convolution_direct, g.x, g.any_w, g.y,
                                         g.stride, g.dilation, g.before, g.after},
                                        user_scratchpad(), dnnl_engine(), g.forward(false));
    Plan ready{Prepared(Backward(desc), desc.scratchpad_desc(),
                        {{DNNL_ARG_SRC, g.x},
                         {DNNL_ARG_DIFF_DST, g.y},
                         {DNNL_ARG_DIFF_WEIGHTS, desc.diff_weights_desc()}}),
               {}};
    if (accumulate || desc.diff_weights_desc() != g.w)
        ready.reorder = make_reorder(desc.diff_weights_desc(), g.w, accumulate);
    return ready;
}

}  // namespace

void dnnl_conv_forward(View y, CView x, CView w, CView bias, const ConvParams& params) {
    const bool with_bias = static_cast<bool>(bias);
    Plan& ready = plan(key_of(3, y, x, w, params, with_bias),
                       [&] { return make_forward(Geometry(y, x, w, params), with_bias); });
    set_weights(ready, w.data);
    ready.main.set(DNNL_ARG_SRC, x.data);
    ready.main.set(DNNL_ARG_BIAS, bias.data);
    ready.main.set(DNNL_ARG_DST, y.data);
    ready.main.run();
}

void dnnl_conv_backward_input(View dx, CView dy, CView w, const ConvParams& params) {
    Plan& ready = plan(key_of(4, dy, dx, w, params, 0),
                       [&] { return make_backward_input(Geometry(dy, dx, w, params)); });
    set_weights(ready, w.data);
    ready.main.set(DNNL_ARG_DIFF_DST, dy.data);
    ready.main.set(DNNL_ARG_DIFF_SRC, dx.data);
    ready.main.run();
}

void dnnl_conv_backward_weight(View dw, View dbias, CView dy, CView x, const ConvParams& params,
                               GradMode mode) {
    const bool accumulate = mode == GradMode::Accumulate;
    Plan& ready = plan(key_of(5, dy, x, dw, params, accumulate), [&] {
        return make_backward_weight(Geometry(dy, x, dw, params), accumulate);
    });
    void* gradient = dw.data;
    if (ready.reorder)
        gradient = scratch(ScratchSlot::Weights, ready.main.bytes(DNNL_ARG_DIFF_WEIGHTS));
    ready.main.set(DNNL_ARG_SRC, x.data);
    ready.main.set(DNNL_ARG_DIFF_DST, dy.data);
    ready.main.set(DNNL_ARG_DIFF_WEIGHTS, gradient);
    ready.main.run();
    if (ready.reorder) {
        ready.reorder->set(DNNL_ARG_FROM, gradient);
        ready.reorder->set(DNNL_ARG_TO, dw.data);
        ready.reorder->run();
    }
    const std::int64_t O = dw.dim(0);
    if (dbias) column_sum(dbias.as<float>(), dy.as<float>(), dy.numel() / O, O, mode);
}

}  // namespace fovea::kernels::cpu
