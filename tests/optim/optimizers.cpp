// Adam and SGD over ten steps against the recurrences of their papers, one number at a time.
#include "optim/optimizer.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "optim/clip.h"
#include "tests/optim/small_model.h"

using namespace fovea;
using test::SmallModel;

namespace {

constexpr int kSteps = 10;
constexpr double kMaxNorm = 2.0;

double rate(int t) { return 0.01 / t; }

/// Which of the model's 92 elements decay: conv.weight and head.weight.
bool decays(std::size_t i) { return i < 54 || (i >= 68 && i < 88); }

/// Runs `kSteps` steps with clipping and gives the parameters after each.
template <class Opt, class Options>
std::vector<std::vector<double>> run(const Options& options, DType dtype) {
    SmallModel model(dtype, dtype == DType::F32 ? Device::cpu() : Device::reference());
    ParamStore store(model, {.weight_decay = 0.1});
    Opt optimizer(store, options);
    std::vector<std::vector<double>> steps = {test::values_of(model)};
    for (int t = 1; t <= kSteps; ++t) {
        test::set_gradients(store, t);
        optimizer.step(store, rate(t), clip_factor(store.gradient_norm(), kMaxNorm));
        steps.push_back(test::values_of(model));
    }
    CHECK(optimizer.steps() == kSteps);
    return steps;
}

/// The clipped gradients of step t in double.
std::vector<double> clipped(int t, std::size_t n) {
    std::vector<double> g(n);
    double squares = 0.0;
    for (std::size_t i = 0; i < n; ++i) {
        g[i] = test::gradient_at(t, static_cast<std::int64_t>(i));
        squares += g[i] * g[i];
    }
    const double norm = std::sqrt(squares);
    REQUIRE(norm > kMaxNorm);  // otherwise clipping is not tested
    for (double& x : g) x *= kMaxNorm / (norm + 1e-6);
    return g;
}

/// Compares with a scalar recurrence update(i, t, p, g) -> p.
template <class Opt, class Options, class Update>
void check(const Options& options, const Update& make_update) {
    for (const DType dtype : {DType::F64, DType::F32}) {
        const auto steps = run<Opt>(options, dtype);
        auto update = make_update();
        std::vector<double> p = steps[0];
        double worst = 0.0;
        for (int t = 1; t <= kSteps; ++t) {
            const std::vector<double> g = clipped(t, p.size());
            for (std::size_t i = 0; i < p.size(); ++i) {
                p[i] = update(i, t, p[i], g[i]);
                worst = std::max(worst, std::abs(p[i] - steps[static_cast<std::size_t>(t)][i]));
            }
        }
        CHECK(worst < (dtype == DType::F64 ? 1e-14 : 2e-6));
        CHECK(p != steps[0]);
    }
}

}  // namespace

TEST_CASE("AdamW, Adam and AMSGrad") {
    for (const bool decoupled : {true, false})
        for (const bool amsgrad : {false, true}) {
            CAPTURE(decoupled, amsgrad);
            AdamOptions options;
            options.beta1 = 0.8;
            options.beta2 = 0.9;
            options.eps = 1e-4;
            options.decoupled = decoupled;
            options.amsgrad = amsgrad;
            check<Adam>(options, [=] {
                std::vector<double> m(92), v(92), vmax(92);
                return [=](std::size_t i, int t, double p, double g) mutable {
                    const double decay = decays(i) ? 0.1 : 0.0;
                    if (decoupled)
                        p *= 1.0 - rate(t) * decay;
                    else
                        g += decay * p;
                    m[i] = 0.8 * m[i] + 0.2 * g;
                    v[i] = 0.9 * v[i] + 0.1 * g * g;
                    vmax[i] = std::max(vmax[i], v[i]);
                    const double mean = m[i] / (1.0 - std::pow(0.8, t));
                    const double spread = (amsgrad ? vmax[i] : v[i]) / (1.0 - std::pow(0.9, t));
                    return p - rate(t) * mean / (std::sqrt(spread) + 1e-4);
                };
            });
        }
}

TEST_CASE("SGD with and without momentum") {
    for (const auto& options :
         {SgdOptions{}, SgdOptions{.momentum = 0.9}, SgdOptions{.momentum = 0.9, .dampening = 0.3},
          SgdOptions{.momentum = 0.9, .nesterov = true}}) {
        CAPTURE(options.momentum, options.dampening, options.nesterov);
        check<Sgd>(options, [=] {
            std::vector<double> b(92);
            return [=](std::size_t i, int t, double p, double g) mutable {
                g += (decays(i) ? 0.1 : 0.0) * p;
                b[i] = t == 1 ? g : options.momentum * b[i] + (1.0 - options.dampening) * g;
                const double step = options.momentum == 0.0 ? g
                                    : options.nesterov      ? g + options.momentum * b[i]
                                                            : b[i];
                return p - rate(t) * step;
            };
        });
    }
}

TEST_CASE("a copy of state and step count goes on with the same bits") {
    const auto steps = run<Adam>(AdamOptions{}, DType::F32);
    SmallModel model;
    ParamStore store(model, {.weight_decay = 0.1});
    auto first = std::make_unique<Adam>(store, AdamOptions{});
    const auto step = [&](Adam& adam, int t) {
        test::set_gradients(store, t);
        adam.step(store, rate(t), clip_factor(store.gradient_norm(), kMaxNorm));
    };
    for (int t = 1; t <= 4; ++t) step(*first, t);
    Adam second(store, {});
    const auto saved = first->state(), restored = second.state();
    REQUIRE(saved.size() == 2);
    for (std::size_t i = 0; i < saved.size(); ++i) {
        CHECK(saved[i].first == restored[i].first);
        restored[i].second.copy_from(saved[i].second);
    }
    second.set_steps(first->steps());
    first.reset();
    for (int t = 5; t <= kSteps; ++t) step(second, t);
    CHECK(test::values_of(model) == steps.back());
}
