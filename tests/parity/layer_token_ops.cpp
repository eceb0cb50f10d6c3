// Layer cases on the last axis: normalisation, activations, softmax, linear layers, attention.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/ops/attention.h"
#include "core/ops/elementwise.h"
#include "core/ops/matmul.h"
#include "core/ops/norm.h"
#include "core/ops/shape_ops.h"
#include "core/ops/softmax.h"
#include "tests/parity/layer_case.h"

namespace fovea::parity {
namespace {

// f on x with `axis` in the last place.
template <class F>
Tensor with_axis_last(const Tensor& x, int axis, const F& f) {
    if (axis < 0) axis += x.rank();
    if (axis == x.rank() - 1) return f(x);
    std::vector<int> there(static_cast<std::size_t>(x.rank()));  // axis rotated to the end
    std::iota(there.begin(), there.end(), 0);
    std::rotate(there.begin() + axis, there.begin() + axis + 1, there.end());
    std::vector<int> back(there.size());
    for (std::size_t i = 0; i < there.size(); ++i)
        back[static_cast<std::size_t>(there[i])] = static_cast<int>(i);
    return ops::permute(f(ops::permute(x, there)), back);
}

// The channels are axis 1 of [N,C], [N,C,L] and [N,C,H,W].
LayerResult batch_norm(const Json& args, LayerInputs& in) {
    if (!args.at("momentum").is_number()) throw Unsupported("momentum");
    const Tensor running_mean = described(args.at("running_mean"), in.target());
    const Tensor running_var = described(args.at("running_var"), in.target());
    Tensor weight = in.optional("weight"), bias = in.optional("bias");
    if (!weight.defined())
        weight = Tensor::full(running_mean.shape(), 1.0, in.target().dtype, in.target().device);
    if (!bias.defined())
        bias = Tensor::zeros(running_mean.shape(), in.target().dtype, in.target().device);
    const Tensor y = with_axis_last(in("x"), 1, [&](const Tensor& x) {
        return ops::batch_norm(x, weight, bias, running_mean, running_var, args.at("training"),
                               args.at("eps"), args.at("momentum"));
    });
    return {y, {{"running_mean_after", running_mean}, {"running_var_after", running_var}}};
}

// The normalised axes flattened to one.
LayerResult layer_norm(const Json& args, LayerInputs& in) {
    const Tensor x = in("x"), w = in.optional("weight"), b = in.optional("bias");
    const std::int64_t n = shape_from(args.at("normalized_shape")).numel();
    const auto flat = [&](const Tensor& t) { return t.defined() ? ops::reshape(t, {n}) : t; };
    const Tensor y = ops::layer_norm(ops::reshape(x, {-1, n}), flat(w), flat(b), args.at("eps"));
    return {ops::reshape(y, x.shape()), {}};
}

LayerResult linear(const Json& args, LayerInputs& in) {
    const Tensor bias = args.at("bias").get<bool>() ? in("bias") : Tensor();
    return {ops::linear(in("x"), in("weight"), bias), {}};
}

LayerOp activation(Unary f) {
    return {{}, {"x"}, [f](const Json&, LayerInputs& in) -> LayerResult {
                return {ops::unary(in("x"), f), {}};
            }};
}

LayerResult softmax(const Json& args, LayerInputs& in) {
    return {with_axis_last(in("x"), args.at("axis"), ops::softmax), {}};
}

LayerResult log_softmax(const Json& args, LayerInputs& in) {
    return {with_axis_last(in("x"), args.at("axis"), ops::log_softmax), {}};
}

// Rows of in_proj_weight [3E,E]: those of q, then of k, then of v.
LayerResult multi_head_attention(const Json& args, LayerInputs& in) {
    const std::int64_t width = args.at("embed_dim"), heads = args.at("num_heads");
    const bool bias = args.at("bias");
    const std::int64_t scaled = choose<std::int64_t>(
        args.at("attention_scale"), {{"head_dim", width / heads}, {"embed_dim", width}});
    const double scale = 1.0 / std::sqrt(static_cast<double>(scaled));

    const Tensor x = in("x");
    const Tensor kv = args.at("cross").get<bool>() ? in("kv") : x;
    const Tensor in_weight = in("in_proj_weight");
    const Tensor in_bias = bias ? in("in_proj_bias") : Tensor();
    const auto projected = [&](const Tensor& tokens, std::int64_t part) {
        const auto rows = [&](const Tensor& t) {
            return t.defined() ? ops::slice(t, 0, part * width, (part + 1) * width) : t;
        };
        return ops::reshape(ops::linear(tokens, rows(in_weight), rows(in_bias)),
                            {tokens.size(0), tokens.size(1), heads, width / heads});
    };
    const Tensor q = projected(x, 0), k = projected(kv, 1), v = projected(kv, 2);
    const Tensor mixed = ops::reshape(ops::attention(q, k, v, scale), x.shape());
    const Tensor y =
        ops::linear(mixed, in("out_proj.weight"), bias ? in("out_proj.bias") : Tensor());
    return {y, {{"attention", ops::attention_probabilities(q, k, scale)}}};
}

}  // namespace

LayerOps token_ops() {
    return {
        {"batch_norm",
         {{"training", "eps", "momentum", "running_mean", "running_var"},
          {"x", "weight", "bias"},
          batch_norm}},
        {"layer_norm", {{"eps", "normalized_shape"}, {"x", "weight", "bias"}, layer_norm}},
        {"linear", {{"bias"}, {"x", "weight", "bias"}, linear}},
        {"gelu_erf", activation(Unary::GeluErf)},
        {"gelu_tanh", activation(Unary::GeluTanh)},
        {"quick_gelu", activation(Unary::QuickGelu)},
        {"relu", activation(Unary::Relu)},
        {"tanh", activation(Unary::Tanh)},
        {"silu", activation(Unary::Silu)},
        {"softmax", {{"axis"}, {"x"}, softmax}},
        {"log_softmax", {{"axis"}, {"x"}, log_softmax}},
        {"multi_head_attention",
         {{"embed_dim", "num_heads", "cross", "bias", "attention_scale"},
          {"x", "kv", "in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias"},
          multi_head_attention}},
    };
}

}  // namespace fovea::parity
