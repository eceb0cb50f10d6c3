// Linear layers: y = f(x w^T + bias), and the gradient of x, or of what f gave x.
//
// Forward is oneDNN's inner product: its blocked weight layout costs a repacking per call (weights
// are small beside activations) and gains 5 to 15%. Bias and activation are applied while the result
// is in registers. The library has no epilogue with the slope of an activation: backward multiplies
// in place, which saves the product a buffer of its own. (Block by block, in the cache, it was slower,
// because products of few rows are.)
#include "kernels/cpu/dnnl_support.h"
#include "kernels/cpu/scratch.h"
#include "kernels/include/matmul.h"

namespace fovea::kernels::cpu {
namespace {

dnnl::post_ops activation(Unary f) {
    using dnnl::algorithm;
    dnnl::post_ops ops;
    const auto append = [&](algorithm kind, float alpha = 0.0F) {
        ops.append_eltwise(1.0F, kind, alpha, 0.0F);
    };
    switch (f) {
        case Unary::Identity: break;
        case Unary::Relu: append(algorithm::eltwise_relu); break;
        case Unary::GeluErf: append(algorithm::eltwise_gelu_erf); break;
        case Unary::GeluTanh: append(algorithm::eltwise_gelu_tanh); break;
        case Unary::QuickGelu: append(algorithm::eltwise_swish, 1.702F); break;
        case Unary::Silu: append(algorithm::eltwise_swish, 1.0F); break;
        case Unary::Sigmoid: append(algorithm::eltwise_logistic); break;
        case Unary::Tanh: append(algorithm::eltwise_tanh); break;
        case Unary::Exp: append(algorithm::eltwise_exp); break;
        case Unary::Log: append(algorithm::eltwise_log); break;
        case Unary::Sqrt: append(algorithm::eltwise_sqrt); break;
        case Unary::Square: append(algorithm::eltwise_square); break;
    }
    return ops;
}

Plan make_forward(std::int64_t M, std::int64_t N, std::int64_t K, bool with_bias, Unary f) {
    const auto x = f32_desc({M, K}, {K, 1}), w = f32_desc({N, K}, {K, 1});
    const auto y = f32_desc({M, N}, {N, 1}), bias = f32_desc({N}, {1});
    dnnl::primitive_attr attr = user_scratchpad();
    attr.set_post_ops(activation(f));

    // Few rows do not pay for the repacking.
    const auto weights = M < 64 ? w : f32_any({N, K});
    using Forward = dnnl::inner_product_forward;
    const auto op = with_bias
                        ? Forward::desc(dnnl::prop_kind::forward_training, x, weights, bias, y)
                        : Forward::desc(dnnl::prop_kind::forward_training, x, weights, y);
    const Forward::primitive_desc desc(op, attr, dnnl_engine());
    Plan ready{Prepared(Forward(desc), desc.scratchpad_desc(),
                        {{DNNL_ARG_SRC, x},
                         {DNNL_ARG_WEIGHTS, desc.weights_desc()},
                         {DNNL_ARG_BIAS, desc.bias_desc()},
                         {DNNL_ARG_DST, y}}),
               {}};
    if (desc.weights_desc() != w) ready.reorder = make_reorder(w, desc.weights_desc(), false);
    return ready;
}

}  // namespace

void linear_forward(const Stream&, View y, CView x, CView w, CView bias, Unary f) {
    if (y.numel() == 0) return;
    const std::int64_t N = w.dim(0), K = w.dim(1), M = y.numel() / N;
    const PlanKey key{2, M, N, K, bias ? 1 : 0, static_cast<std::int64_t>(f)};
    Plan& ready = plan(key, [&] { return make_forward(M, N, K, static_cast<bool>(bias), f); });
    set_weights(ready, w.data);
    ready.main.set(DNNL_ARG_SRC, x.data);
    ready.main.set(DNNL_ARG_BIAS, bias.data);
    ready.main.set(DNNL_ARG_DST, y.data);
    ready.main.run();
}

void linear_backward_input(const Stream& stream, View dx, CView dy, CView w, GradMode mode) {
    matmul(stream, dx, dy, w, false, false, 1.0, mode);
}

void linear_backward_preactivation(const Stream& stream, View dpre, CView dy, CView w, CView pre,
                                   Unary f, GradMode mode) {
    if (mode == GradMode::Ignore || dpre.numel() == 0) return;
    View product = dpre;
    if (mode == GradMode::Accumulate)
        product.data = scratch_floats(ScratchSlot::Work, static_cast<std::size_t>(dpre.numel()));
    matmul(stream, product, dy, w, false, false, 1.0, GradMode::Overwrite);
    unary_backward(stream, dpre, product, pre, f, mode);
}

}  // namespace fovea::kernels::cpu
