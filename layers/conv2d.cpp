#include "layers/conv2d.h"

namespace fovea {

Conv2d::Conv2d(std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t stride,
               std::int64_t padding, std::int64_t groups, bool with_bias)
    : params{{stride, stride}, {padding, padding}, {1, 1}, groups} {
    weight.value = Tensor::zeros({out, kernel, kernel, in / groups}).set_requires_grad();
    weight.layout = Layout::ConvWeight;
    if (with_bias) bias.value = Tensor::zeros({out}).set_requires_grad();
}

void Conv2d::visit(Visitor& v) {
    v("weight", weight);
    v("bias", bias);
}

}  // namespace fovea
