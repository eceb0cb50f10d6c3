#include "apps/common/self_test.h"

#include <chrono>
#include <cmath>
#include <utility>
#include <vector>

#include "core/autocast.h"
#include "core/ops/loss.h"
#include "core/tape.h"
#include "layers/init.h"
#include "models/registry.h"

namespace fovea::apps {
namespace {

using Results = std::vector<std::pair<std::string, std::vector<double>>>;  // (tensor, values)

constexpr std::int64_t kBatch = 4, kClasses = 10;

Results step(Device device, DType dtype) {
    ModelOptions options;
    options.in_channels = 1;
    options.num_classes = kClasses;
    const auto model = make_model("cvt_tiny", options);
    model->initialise(1);
    move_to(*model, device, dtype == DType::BF16 ? DType::F32 : dtype);
    const Shape image = model->input_shape();
    const Tensor pixels = Tensor::zeros({kBatch, image[0], image[1], image[2]});
    init::uniform(pixels, 1.0, {11, RandomStream::Augment, 0, 0});
    const Tensor images = (dtype == DType::F64 ? pixels.to(device).to(dtype) : pixels.to(device));
    const Tensor labels = Tensor::from({0, 3, 6, 9}, {kBatch}, DType::I64, device);
    const Pass pass{true, 1, 1};
    const Autocast autocast(dtype == DType::BF16 ? dtype : DType::F32);
    Results results;
    {
        Tape tape;
        const Tensor logits = model->forward(images, pass);
        results.emplace_back("logits", logits.to_vector());
        tape.backward(ops::cross_entropy(logits, labels));
    }
    for (const NamedParameter& p : parameters_of(*model))
        results.emplace_back(p.name, p.parameter->value.grad().to_vector());
    return results;
}

double largest(const std::vector<double>& values) {
    double most = 0.0;
    for (const double v : values) most = std::max(most, std::abs(v));
    return most;
}

}  // namespace

SelfTest self_test(Device device, DType dtype) {
    static const Results truth = step(Device::reference(), DType::F64);
    const auto start = std::chrono::steady_clock::now();
    const Results found = step(device, dtype);
    SelfTest test;
    test.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    test.bound = dtype == DType::BF16 ? 0.1 : 1e-3;
    double gradients = 0.0;
    for (std::size_t i = 1; i < truth.size(); ++i)
        gradients = std::max(gradients, largest(truth[i].second));
    bool finite = true;
    for (std::size_t i = 0; i < truth.size(); ++i) {
        // Gradients that are zero by symmetry are rounding: measured against the model's.
        const double scale = std::max(largest(truth[i].second), i == 0 ? 0.0 : 1e-2 * gradients);
        for (std::size_t k = 0; k < truth[i].second.size(); ++k) {
            const double error = std::abs(found[i].second[k] - truth[i].second[k]) / scale;
            finite = finite && std::isfinite(error);
            if (error <= test.error) continue;
            test.error = error;
            test.worst = truth[i].first;
        }
    }
    test.ok = finite && test.error <= test.bound;
    return test;
}

}  // namespace fovea::apps
