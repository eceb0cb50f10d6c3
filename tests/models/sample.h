// Models, pictures and losses for the tests of whole models.
#pragma once

#include <memory>

#include "core/ops/loss.h"
#include "core/tape.h"
#include "layers/init.h"
#include "models/cvt.h"
#include "models/registry.h"

namespace test {

/// A small preset of each kind of model, with an image on which all its parts work and no extent is even
/// or equal to another for long. What holds for every model is tested on these.
struct Small {
    const char* name;
    std::int64_t height, width;
    bool branches = true;  ///< that drop-path can skip
};
inline constexpr Small kSmall[] = {
    {"alexnet_tiny", 67, 71, false},
    {"cvt_tiny", 20, 24},
    {"cvt_recurrent_enhanced_test", 20, 28},
    {"resnet_tiny", 33, 29},
    {"resnet_tiny_bottleneck", 33, 29},
    {"teacher_tiny", 13, 15, false},
    {"deit_test", 20, 24},
    {"mydeit_test", 8, 12},
    {"student_vit_test", 8, 12},
    {"vit_test", 20, 24},
    {"swin_test", 20, 24},
};

/// For images of two channels, with dropout and drop-path or without.
inline std::unique_ptr<fovea::Classifier> make_small(const Small& small, bool dropping) {
    fovea::ModelOptions options;
    options.in_channels = 2;
    options.height = small.height;
    options.width = small.width;
    options.dropout = dropping ? 0.2 : 0.0;
    options.drop_path = dropping && small.branches ? 0.4 : 0.0;
    return fovea::make_model(small.name, options);
}

/// Pseudo-random pictures in [-1, 1), the same on every device.
inline fovea::Tensor pictures(const fovea::Shape& shape, fovea::DType dtype, fovea::Device device) {
    fovea::Tensor t = fovea::Tensor::zeros(shape, dtype, device);
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

/// The one name that a tensor has in somebody's files.
inline std::string spelled(const fovea::Classifier& model, const std::string& style,
                           const std::string& own) {
    return fovea::style_called(model, style).spell(own).at(0);
}

/// Loss of one batch.
inline fovea::Tensor loss_of(const fovea::Classifier& model, const fovea::Tensor& images,
                             const fovea::Tensor& truth, const fovea::Pass& pass) {
    return fovea::ops::cross_entropy(model.forward(images, pass), truth);
}

}  // namespace test
