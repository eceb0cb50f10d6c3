// Whole models on a CUDA device: logits and every gradient of the smallest of each family against the
// reference kernels in F64. Tests of single ops miss what their composition does.
//
// How much a model amplifies rounding is measured, with the reference kernels in F32; F32 on the device
// may have 8 times that error, as the CPU may (tests/models). BF16 also flips ReLUs and maxima, and a
// BatchNorm over few pixels magnifies that without bound, so BF16 runs with the running statistics, and
// its gradients are measured as one vector.
#include <catch2/catch.hpp>
#include <cmath>

#include "core/autocast.h"
#include "tests/models/sample.h"

using namespace fovea;

namespace {

/// Name and values: logits, every gradient, and BatchNorm's statistics after the step.
using Results = std::vector<std::pair<std::string, std::vector<double>>>;

Results results(const test::Small& small, Device device, DType dtype, const Pass& pass) {
    const auto model = test::make_small(small, true);
    test::shake(*model, 8);
    const DType stored = dtype == DType::BF16 ? DType::F32 : dtype;
    move_to(*model, device, stored);
    const Tensor images = test::pictures({4, small.height, small.width, 2}, stored, device);
    const Tensor truth = test::labels(4, model->classes(), device);
    const Autocast autocast(dtype == DType::BF16 ? dtype : DType::F32);
    Results out;
    {
        Tape tape;
        const Tensor logits = model->forward(images, pass);
        out.emplace_back("logits", logits.to_vector());
        tape.backward(ops::cross_entropy(logits, truth));
    }
    for (const NamedParameter& p : parameters_of(*model))
        if (p.parameter->value.grad().defined())
            out.emplace_back(p.name + ".grad", p.parameter->value.grad().to_vector());
    for (const NamedBuffer& b : buffers_of(*model))
        out.emplace_back(b.name, b.buffer->value.to_vector());
    return out;
}

bool is_gradient(const std::string& what) { return what.find(".grad") != std::string::npos; }

/// Root of the mean square, which single outliers of rounding do not rule.
double size(const std::vector<double>& values) {
    double sum = 0.0;
    for (const double v : values) sum += v * v;
    return std::sqrt(sum / static_cast<double>(std::max<std::size_t>(1, values.size())));
}

double error(const std::vector<double>& a, const std::vector<double>& truth, double floor) {
    REQUIRE(a.size() == truth.size());
    std::vector<double> difference;
    for (std::size_t i = 0; i < truth.size(); ++i) difference.push_back(a[i] - truth[i]);
    return size(difference) / std::max(size(truth), floor);
}

}  // namespace

TEST_CASE("the smallest model of every family has the reference's results on a CUDA device, F32") {
    const Pass pass{true, 3, 5};
    for (const test::Small& small : test::kSmall) {
        INFO(small.name);
        const Results truth = results(small, Device::reference(), DType::F64, pass);
        const Results plain = results(small, Device::reference(), DType::F32, pass);
        const Results found = results(small, Device::cuda(), DType::F32, pass);
        REQUIRE(found.size() == truth.size());
        double gradients =
            0.0;  // gradients that are zero by symmetry are measured against the model's
        for (const auto& [what, values] : truth)
            if (is_gradient(what)) gradients = std::max(gradients, size(values));
        const auto floor_of = [&](const std::string& what) {
            return is_gradient(what) ? 1e-2 * gradients : 1e-6;
        };
        double rounding = 0.0;
        for (std::size_t i = 0; i < truth.size(); ++i)
            rounding = std::max(rounding,
                                error(plain[i].second, truth[i].second, floor_of(truth[i].first)));
        CHECK(rounding < 1e-4);
        for (std::size_t i = 0; i < truth.size(); ++i) {
            INFO(truth[i].first << ", reference in F32: " << rounding);
            REQUIRE(found[i].first == truth[i].first);
            CHECK(error(found[i].second, truth[i].second, floor_of(truth[i].first)) <
                  8.0 * rounding + 1e-6);
        }
    }
}

TEST_CASE("the smallest model of every family is near the reference on a CUDA device in BF16") {
    for (const test::Small& small : test::kSmall) {
        INFO(small.name);
        const Results truth = results(small, Device::reference(), DType::F64, Pass{});
        const Results found = results(small, Device::cuda(), DType::BF16, Pass{});
        REQUIRE(found.size() == truth.size());
        CHECK(error(found[0].second, truth[0].second, 1e-6) < 0.03);
        CHECK(error(found[0].second, truth[0].second, 1e-6) > 1e-5);  // or it was not BF16
        std::vector<double> all, all_found;
        for (std::size_t i = 0; i < truth.size(); ++i)
            if (is_gradient(truth[i].first)) {
                all.insert(all.end(), truth[i].second.begin(), truth[i].second.end());
                all_found.insert(all_found.end(), found[i].second.begin(), found[i].second.end());
            }
        // A flipped ReLU takes the whole of its gradient along: with a share s of them flipped the error
        // is about sqrt(s), far above BF16's own. GELU has no such kink.
        const std::string name = small.name;
        const bool kinks =
            name.find("resnet") == 0 || name.find("alexnet") == 0 || name.find("teacher") == 0;
        CHECK(error(all_found, all, 1e-6) < (kinks ? 0.2 : 0.03));
    }
}
