// Averages of the weights, and learning-rate schedules.
#include <catch2/catch.hpp>
#include <cmath>
#include <numbers>

#include "optim/ema.h"
#include "optim/schedule.h"
#include "tests/optim/small_model.h"

using namespace fovea;
using test::SmallModel;

namespace {

std::vector<double> state_of(SmallModel& model) {
    std::vector<double> out = test::values_of(model);
    for (const NamedBuffer& b : buffers_of(model)) {
        const auto own = b.buffer->value.to_vector();
        out.insert(out.end(), own.begin(), own.end());
    }
    return out;
}

void change(SmallModel& model, int t) {
    for (const NamedParameter& p : parameters_of(model)) p.parameter->value.fill(0.25 * t);
    model.bn.running_mean.value.fill(1.5 * t);
    model.bn.running_var.value.fill(3.0 * t);
    model.bn.num_batches_tracked.value.fill(t);
}

}  // namespace

TEST_CASE("averages follow e = d e + (1 - d) p, with d rising to the decay") {
    for (const bool warmup : {true, false}) {
        CAPTURE(warmup);
        SmallModel model(DType::F64, Device::reference());
        const ParamStore store(model);
        Ema ema(model, store, 0.4, warmup);
        double expected = model.head.bias.value.to_vector()[0], mean = 0.0, variance = 1.0;
        for (int t = 0; t < 12; ++t) {
            change(model, t + 1);
            ema.update();
            const double d = warmup ? std::min(0.4, (1.0 + t) / (10.0 + t)) : 0.4;
            expected = d * expected + (1.0 - d) * 0.25 * (t + 1);
            mean = d * mean + (1.0 - d) * 1.5 * (t + 1);
            variance = d * variance + (1.0 - d) * 3.0 * (t + 1);
        }
        CHECK(ema.updates() == 12);
        const std::vector<double> trained = state_of(model);
        {
            const EmaScope averaged(&ema);
            CHECK(model.head.bias.value.to_vector()[0] == Approx(expected).epsilon(1e-14));
            CHECK(model.bn.running_mean.value.to_vector()[2] == Approx(mean).epsilon(1e-14));
            CHECK(model.bn.running_var.value.to_vector()[0] == Approx(variance).epsilon(1e-14));
            CHECK(model.bn.num_batches_tracked.value.item() == 12);  // copied, not averaged
            CHECK(state_of(model) != trained);
        }
        CHECK(state_of(model) == trained);
    }
}

TEST_CASE("swapping averages twice is the identity, bit by bit") {
    SmallModel model;
    const ParamStore store(model);
    Ema ema(model, store, 0.9);
    const std::vector<double> start = state_of(model);
    ema.swap();
    CHECK(state_of(model) == start);  // it began as a copy
    ema.swap();
    change(model, 3);
    ema.update();
    const std::vector<double> trained = state_of(model), averages = ema.values().to_vector();
    ema.swap();
    CHECK(state_of(model) != trained);
    CHECK(store.values().to_vector() == averages);  // what the optimizer's arena sees
    ema.swap();
    CHECK(state_of(model) == trained);
    CHECK(ema.values().to_vector() == averages);
    const EmaScope nothing(nullptr);  // no averages: the scope does nothing
    CHECK(state_of(model) == trained);
}

TEST_CASE("cosine with warm-up") {
    CosineSchedule s;
    s.lr = 1e-3;
    s.min_lr = 1e-5;
    s.warmup_lr = 1e-6;
    s.total_steps = 110;
    s.warmup_steps = 10;
    CHECK(s.at(0) == 1e-6);
    CHECK(s.at(5) == Approx(1e-6 + 0.5 * (1e-3 - 1e-6)).epsilon(1e-14));
    CHECK(s.at(9) < 1e-3);
    CHECK(s.at(10) == 1e-3);
    CHECK(s.at(60) == Approx(0.5 * (1e-3 + 1e-5)).epsilon(1e-14));
    CHECK(
        s.at(35) ==
        Approx(1e-5 + 0.5 * (1e-3 - 1e-5) * (1.0 + std::cos(std::numbers::pi / 4))).epsilon(1e-14));
    CHECK(s.at(109) > 1e-5);
    CHECK(s.at(109) < 1.03e-5);
    CHECK(s.at(110) == 1e-5);
    CHECK(s.at(100000) == 1e-5);
    for (int step = 10; step < 109; ++step) CHECK(s.at(step) > s.at(step + 1));

    s.warmup_steps = 0;
    CHECK(s.at(0) == 1e-3);
    s.min_lr = s.lr;  // a constant rate
    for (const int step : {0, 1, 50, 109, 110}) CHECK(s.at(step) == Approx(1e-3).epsilon(1e-15));
    CosineSchedule all_warmup{1e-3, 0.0, 0.0, 10, 10};  // never past the warm-up
    CHECK(all_warmup.at(9) == Approx(9e-4));
    CHECK(all_warmup.at(10) == 0.0);
}
