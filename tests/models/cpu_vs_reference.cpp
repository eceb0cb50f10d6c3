// Whole models on the CPU's fast kernels against the plain ones: loss, logits and every gradient.
#include <catch2/catch.hpp>
#include <cmath>

#include "models/weights.h"
#include "tests/models/sample.h"

using namespace fovea;

namespace {

/// Name and values: logits, every gradient, and BatchNorm's statistics after the step.
using Results = std::vector<std::pair<std::string, std::vector<double>>>;

Results results(const test::Small& small, Device device, DType dtype, const Pass& pass) {
    const auto model = test::make_small(small, true);
    test::shake(*model, 8);
    move_to(*model, device, dtype);
    const Shape image = model->input_shape();
    const Tensor images = test::pictures({6, image[0], image[1], image[2]}, dtype, device);
    const Tensor truth = test::labels(6, 10, device);
    Results out;
    {
        Tape tape;
        const Tensor logits = model->forward(images, pass);
        out.emplace_back("logits", logits.to_vector());
        tape.backward(ops::cross_entropy(logits, truth));
    }
    for (const NamedParameter& p : parameters_of(*model))
        out.emplace_back(p.name + ".grad", p.parameter->value.grad().to_vector());
    for (const NamedBuffer& b : buffers_of(*model))
        out.emplace_back(b.name, b.buffer->value.to_vector());
    return out;
}

/// Largest difference over the largest number.
double error(const std::vector<double>& a, const std::vector<double>& truth, double floor) {
    double difference = 0.0, scale = floor;
    for (std::size_t i = 0; i < truth.size(); ++i) {
        difference = std::max(difference, std::abs(a[i] - truth[i]));
        scale = std::max(scale, std::abs(truth[i]));
    }
    return difference / scale;
}

}  // namespace

TEST_CASE("the CPU's single precision is as good as plain loops in single precision") {
    for (const test::Small& small : test::kSmall)
        for (const bool training : {false, true}) {
            CAPTURE(small.name, training);
            const Pass pass{training, 3, 5};
            const Results truth = results(small, Device::reference(), DType::F64, pass),
                          plain = results(small, Device::reference(), DType::F32, pass),
                          fast = results(small, Device::cpu(), DType::F32, pass);
            REQUIRE(fast.size() == truth.size());
            double largest_gradient = 0.0, worst_plain = 0.0;
            for (const auto& [what, values] : truth)
                for (const double v : values)
                    if (what.find(".grad") != std::string::npos)
                        largest_gradient = std::max(largest_gradient, std::abs(v));
            // Gradients that are zero by symmetry are rounding: measured against the model's.
            const double floor = 1e-2 * largest_gradient;
            for (std::size_t i = 0; i < truth.size(); ++i)
                worst_plain = std::max(worst_plain, error(plain[i].second, truth[i].second, floor));
            CHECK(worst_plain < 1e-4);
            for (std::size_t i = 0; i < truth.size(); ++i) {
                CAPTURE(truth[i].first);
                // Eight times: the plain loops sum in double.
                CHECK(error(fast[i].second, truth[i].second, floor) < 8.0 * worst_plain + 1e-6);
            }
        }
}
