// A module with one of everything that a ParamStore has rules for, and gradients to feed it.
#pragma once

#include <cmath>
#include <vector>

#include "layers/conv2d.h"
#include "layers/linear.h"
#include "layers/norm.h"
#include "optim/param_store.h"

namespace test {

struct SmallModel : fovea::Module {
    fovea::Conv2d conv{2, 3, 3, 1, 1};  // weight [3,3,3,2] = 54 elements, bias 3
    fovea::BatchNorm2d bn{3};
    fovea::Parameter token;  // [1,1,5], marked no_decay
    fovea::Linear head{5, 4};

    explicit SmallModel(fovea::DType dtype = fovea::DType::F32,
                        fovea::Device device = fovea::Device::cpu()) {
        token.value = fovea::Tensor::zeros({1, 1, 5}).set_requires_grad();
        token.no_decay = true;
        double value = 0.3;  // any distinct numbers
        for (const fovea::NamedParameter& p : fovea::parameters_of(*this)) {
            std::vector<double> numbers(static_cast<std::size_t>(p.parameter->value.numel()));
            for (double& x : numbers) x = value = std::fmod(value * 7.31 + 0.173, 2.0) - 1.0;
            p.parameter->value.copy_from(fovea::Tensor::from(numbers, p.parameter->value.shape()));
        }
        fovea::move_to(*this, device, dtype);
    }
    void visit(fovea::Visitor& v) override {
        v("conv", conv);
        v("bn", bn);
        v("token", token);
        v("head", head);
    }
};

/// Gradients of step t: other numbers at every element and step, of both signs.
inline double gradient_at(int t, std::int64_t element) {
    return std::sin(1.7 * static_cast<double>(element) + 0.9 * t) * (1.0 + 0.1 * t);
}

/// Fills the store's gradients, parameter by parameter; the gaps between slices stay zero.
inline void set_gradients(const fovea::ParamStore& store, int t) {
    std::int64_t element = 0;
    for (std::size_t i = 0; i < store.parameters().size(); ++i) {
        const fovea::Tensor slice = store.slice_of(store.gradients(), i);
        std::vector<double> numbers(static_cast<std::size_t>(slice.numel()));
        for (double& x : numbers) x = gradient_at(t, element++);
        slice.copy_from(fovea::Tensor::from(numbers, slice.shape(), slice.dtype(), slice.device()));
    }
}

/// All parameters' elements, one after another, without gaps.
inline std::vector<double> values_of(fovea::Module& model) {
    std::vector<double> out;
    for (const fovea::NamedParameter& p : fovea::parameters_of(model)) {
        const std::vector<double> own = p.parameter->value.to_vector();
        out.insert(out.end(), own.begin(), own.end());
    }
    return out;
}

}  // namespace test
