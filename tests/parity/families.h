// One builder a model family: the model that a golden file's "model" object describes, with its
// parameters allocated. A key or a value that the family does not know is an error.
#pragma once

#include <memory>

#include "kernels/include/elementwise.h"
#include "models/classifier.h"
#include "tests/parity/golden.h"

namespace fovea::parity {

std::unique_ptr<Classifier> build_alexnet_500px(const Json& model);
std::unique_ptr<Classifier> build_alexnet_torchvision(const Json& model);
std::unique_ptr<Classifier> build_cvt(const Json& model);
std::unique_ptr<Classifier> build_deit(const Json& model);
std::unique_ptr<Classifier> build_resnet(const Json& model);
std::unique_ptr<Classifier> build_student_vit(const Json& model);
std::unique_ptr<Classifier> build_swin(const Json& model);
std::unique_ptr<Classifier> build_teacher_vgg(const Json& model);
std::unique_ptr<Classifier> build_vit(const Json& model);

/// "gelu_erf", "gelu_tanh", "quick_gelu"
inline Unary activation_from(const Json& name) {
    return choose<Unary>(name, {{"gelu_erf", Unary::GeluErf},
                                {"gelu_tanh", Unary::GeluTanh},
                                {"quick_gelu", Unary::QuickGelu}});
}

}  // namespace fovea::parity
