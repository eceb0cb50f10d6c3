// Models, pictures and losses for the tests of whole models.
#pragma once

#include <memory>

#include "core/ops/loss.h"
#include "core/tape.h"
#include "layers/init.h"
#include "models/cvt.h"
#include "models/registry.h"

namespace test {

/// Pseudo-random pictures in [-1, 1), the same on every device.
inline fovea::Tensor pictures(const fovea::Shape& shape, fovea::DType dtype, fovea::Device device) {
    const fovea::Tensor t = fovea::Tensor::zeros(shape, dtype, device);
    fovea::init::uniform(t, 1.0, {11, fovea::RandomStream::Augment, 0, 0});
    return t;
}

/// Labels 0, 3, 6, ... below `classes`.
inline fovea::Tensor labels(std::int64_t count, std::int64_t classes, fovea::Device device) {
    std::vector<double> values;
    for (std::int64_t i = 0; i < count; ++i) values.push_back(static_cast<double>(3 * i % classes));
    return fovea::Tensor::from(values, {count}, fovea::DType::I64, device);
}

/// Initialises, then moves every parameter by up to 0.2: gradients of fresh weights are too small, and
/// zeros too symmetric, to tell right from wrong.
inline void shake(fovea::Classifier& model, std::uint64_t seed) {
    model.initialise(seed);
    for (const fovea::NamedParameter& p : fovea::parameters_of(model)) {
        const fovea::Tensor& value = p.parameter->value;
        const fovea::Tensor noise = fovea::Tensor::zeros(value.shape());
        fovea::init::uniform(noise, 0.2, fovea::init::site_of(seed, "shake " + p.name));
        std::vector<double> sum = value.to_vector();
        const std::vector<double> by = noise.to_vector();
        for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += by[i];
        value.copy_from(fovea::Tensor::from(sum, value.shape()));
    }
}

/// Loss of one batch.
inline fovea::Tensor loss_of(const fovea::Classifier& model, const fovea::Tensor& images,
                             const fovea::Tensor& truth, const fovea::Pass& pass) {
    return fovea::ops::cross_entropy(model.forward(images, pass), truth);
}

}  // namespace test
