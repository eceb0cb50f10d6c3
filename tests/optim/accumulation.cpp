// Gradient accumulation: the mean of two half batches' gradients is the whole batch's.
#include <catch2/catch.hpp>
#include <cmath>

#include "core/ops/loss.h"
#include "core/tape.h"
#include "layers/init.h"
#include "layers/mlp.h"
#include "models/cvt.h"
#include "optim/param_store.h"

using namespace fovea;

namespace {

/// A CvT without BatchNorm, whose statistics would differ between a batch and its halves.
Cvt model() {
    CvtConfig config = *cvt_preset("cvt_tiny");
    config.in_channels = 1;
    for (CvtStageConfig& stage : config.stages) stage.conv_projection = false;
    Cvt cvt(config);
    cvt.initialise(4);
    return cvt;
}

Tensor pictures() {
    const Tensor t = Tensor::zeros({64, 16, 16, 1});
    init::uniform(t, 1.0, {3, RandomStream::Augment, 0, 0});
    return t;
}

Tensor labels() {
    std::vector<double> values;
    for (int i = 0; i < 64; ++i) values.push_back(i % 10);
    return Tensor::from(values, {64}, DType::I64);
}

/// The gradients of `parts` equal parts of the 64 pictures, accumulated and averaged.
std::vector<double> gradients(int parts) {
    Cvt cvt = model();
    const ParamStore store(cvt);
    const std::int64_t size = 64 / parts;
    for (int i = 0; i < parts; ++i) {
        Tape tape;
        const Tensor x = pictures().slice(0, i * size, (i + 1) * size),
                     y = labels().slice(0, i * size, (i + 1) * size);
        tape.backward(ops::cross_entropy(cvt.forward(x, Pass{true}), y), 1.0 / parts);
    }
    return store.gradients().to_vector();
}

}  // namespace

TEST_CASE("two batches of 32 give the gradient and the step of one batch of 64") {
    const std::vector<double> whole = gradients(1);
    double scale = 0.0;
    for (const double g : whole) scale = std::max(scale, std::abs(g));
    REQUIRE(scale > 1e-3);
    for (const int parts : {2, 4}) {
        const std::vector<double> halves = gradients(parts);
        double worst = 0.0;
        for (std::size_t i = 0; i < whole.size(); ++i)
            worst = std::max(worst, std::abs(whole[i] - halves[i]));
        CHECK(worst < 1e-5 * scale);
    }
}

TEST_CASE("the mean over parts scales gradients exactly") {
    const auto run = [](double seed) {
        Cvt cvt = model();
        const ParamStore store(cvt);
        Tape tape;
        tape.backward(ops::cross_entropy(cvt.forward(pictures(), Pass{true}), labels()), seed);
        return store.gradients().to_vector();
    };
    const std::vector<double> whole = run(1.0), quarter = run(0.25);
    std::size_t different = 0;
    for (std::size_t i = 0; i < whole.size(); ++i) different += quarter[i] != 0.25 * whole[i];
    CHECK(different == 0);
}
