#include "layers/linear.h"

namespace fovea {

Linear::Linear(std::int64_t in, std::int64_t out, bool with_bias) {
    weight.value = Tensor::zeros({out, in}).set_requires_grad();
    if (with_bias) bias.value = Tensor::zeros({out}).set_requires_grad();
}

void Linear::visit(Visitor& v) {
    v("weight", weight);
    v("bias", bias);
}

}  // namespace fovea
