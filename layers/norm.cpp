#include "layers/norm.h"

#include "core/ops/norm.h"

namespace fovea {

LayerNorm::LayerNorm(std::int64_t channels, double epsilon) : eps(epsilon) {
    weight.value = Tensor::full({channels}, 1.0).set_requires_grad();
    bias.value = Tensor::zeros({channels}).set_requires_grad();
}

void LayerNorm::visit(Visitor& v) {
    v("weight", weight);
    v("bias", bias);
}

Tensor LayerNorm::forward(const Tensor& x) const { return ops::layer_norm(x, weight, bias, eps); }

BatchNorm2d::BatchNorm2d(std::int64_t channels, double epsilon, double momentum_of_new)
    : eps(epsilon), momentum(momentum_of_new) {
    weight.value = Tensor::full({channels}, 1.0).set_requires_grad();
    bias.value = Tensor::zeros({channels}).set_requires_grad();
    running_mean.value = Tensor::zeros({channels});
    running_var.value = Tensor::full({channels}, 1.0);
    num_batches_tracked.value = Tensor::zeros({}, DType::I64);
}

void BatchNorm2d::visit(Visitor& v) {
    v("weight", weight);
    v("bias", bias);
    v("running_mean", running_mean);
    v("running_var", running_var);
    v("num_batches_tracked", num_batches_tracked);
}

Tensor BatchNorm2d::forward(const Tensor& x, const Pass& pass) const {
    if (pass.training) num_batches_tracked.value.fill(num_batches_tracked.value.item() + 1);
    return ops::batch_norm(x, weight, bias, running_mean, running_var, pass.training, eps,
                           momentum);
}

}  // namespace fovea
