// Optimizer steps: trajectories that PyTorch computed, a scalar recurrence, and the segment table.
#include <catch2/catch.hpp>
#include <cmath>

#include "kernels/include/optimizer.h"
#include "tests/reference/array.h"

using namespace fovea;
using namespace fovea::tests;
namespace reference = fovea::kernels::reference;

namespace {

constexpr double gradients[] = {.1, -.2, .3, .4, -.5, .6, .7, -.8};

/// Runs step(t, gradient, parameter) eight times from 1 and checks the parameter at 1, 2, 4 and 8.
template <class F>
void check_trajectory(const double (&want)[4], F step) {
    Array<double> p({1}, {1.0}), g({1});
    int next = 0;
    for (int t = 1; t <= 8; ++t) {
        g[0] = gradients[t - 1];
        step(t, p, g);
        if (t == 1 << next) CHECK(p[0] == Approx(want[next++]).margin(6e-11).epsilon(0));
    }
}

}  // namespace

TEST_CASE("SGD with momentum follows PyTorch", "[reference]") {
    const bool nesterov = GENERATE(false, true);
    Array<double> momentum({1});  // NaN at first: step 1 must not read it
    const Segment segment{0, 1, 1.0, 0.01};
    const auto step = [&](int t, Array<double>& p, const Array<double>& g) {
        SgdArgs args;
        args.lr = 0.1;
        args.momentum = 0.9;
        args.step = t;
        args.nesterov = nesterov;
        reference::sgd_step(on_reference, p, momentum, g, {&segment, 1}, args);
    };
    if (nesterov)
        check_trajectory({.9791, 1.00632971, .8585254909, .6381406895}, step);
    else
        check_trajectory({.989, .998111, .9138190863, .6719295791}, step);
}

TEST_CASE("Adam and AdamW follow PyTorch", "[reference]") {
    const bool decoupled = GENERATE(false, true);
    Array<double> m({1}, {0}), v({1}, {0});
    const Segment segment{0, 1, 1.0, 0.1};
    const auto step = [&](int t, Array<double>& p, const Array<double>& g) {
        AdamArgs args;
        args.lr = 0.01;
        args.step = t;
        args.decoupled = decoupled;
        reference::adam_step(on_reference, p, m, v, View(), g, {&segment, 1}, args);
    };
    if (decoupled)
        check_trajectory({.989000001, .991672036, .9800953578, .9660822686}, step);
    else
        check_trajectory({.9900000005, .9873751972, .9728947291, .9548272715}, step);
}

TEST_CASE("RMSprop follows PyTorch", "[reference]") {
    const bool centered = GENERATE(false, true);  // with momentum
    Array<double> square({1}, {0}), mean({1}, {0}), momentum({1}, {0});
    const Segment segment{0, 1};
    const auto step = [&](int, Array<double>& p, const Array<double>& g) {
        RmspropArgs args;
        args.momentum = centered ? 0.9 : 0.0;
        args.centered = centered;
        reference::rmsprop_step(on_reference, p, square, mean, momentum, g, {&segment, 1}, args);
    };
    if (centered)
        check_trajectory({.8994963195, .8986669185, .6706461998, .2198297216}, step);
    else
        check_trajectory({.9000001, .9895323561, .8359084705, .8372724604}, step);
}

TEST_CASE("RAdam follows PyTorch", "[reference]") {
    Array<double> m({1}, {0}), v({1}, {0});
    const Segment segment{0, 1};
    check_trajectory({.999, .9995789474, .9971480961, .9967834358},
                     [&](int t, Array<double>& p, const Array<double>& g) {
                         RadamArgs args;
                         args.lr = 0.01;
                         args.step = t;
                         reference::radam_step(on_reference, p, m, v, g, {&segment, 1}, args);
                     });
}

TEST_CASE("RAdam rectifies from rho > 5 on", "[reference]") {
    const auto rectification = [](std::int64_t step, double beta2) {
        RadamArgs args;
        args.step = step;
        args.beta2 = beta2;
        return args.rectification();
    };
    CHECK(rectification(5, 0.999) == 0.0);
    CHECK(rectification(6, 0.999) == Approx(0.02582111).epsilon(1e-6));
    CHECK(rectification(10000, 0.999) == Approx(0.9997733).epsilon(1e-6));
    CHECK(rectification(6, 0.9) == Approx(0.25517681).epsilon(1e-6));
    CHECK(rectification(100000, 0.6) == 0.0);  // rho never passes 4
}

TEMPLATE_TEST_CASE("Clipping by value limits every element and keeps NaN", "[reference]", float,
                   double) {
    Array<TestType> g({5}, {-3, -0.5, std::nan(""), 0.25, 2});
    reference::clip_values(on_reference, g, 0.5);
    CHECK(g[0] == TestType(-0.5));
    CHECK(g[1] == TestType(-0.5));
    CHECK(std::isnan(g[2]));
    CHECK(g[3] == TestType(0.25));
    CHECK(g[4] == TestType(0.5));
}

TEMPLATE_TEST_CASE("A step over segments: scales, decay, frozen slices and gaps", "[reference]",
                   float, double) {
    const std::vector<double> start{1, 2, -9, 3, -9, 4, 5};  // -9: gaps between the segments
    const Segment table[] = {{0, 2, 0.5, 0.2}, {3, 1, 1.0, 0.0, true}, {5, 2, 1.0, 0.0}, {7, 0}};
    const Segments segments{table, 4};
    const auto g = Array<TestType>::random({7}, 1);
    Array<TestType> p({7}, start), m({7}, std::vector<double>(7, 0.25)),
        v({7}, std::vector<double>(7, 0.5)), vmax({7}, std::vector<double>(7, 0.625));

    AdamArgs args;
    args.lr = 0.1;
    args.beta2 = 0.9;
    args.eps = 1e-3;
    args.grad_scale = 2.0;
    args.step = 3;
    args.amsgrad = true;
    reference::adam_step(on_reference, p, m, v, vmax, g, segments, args);

    std::vector<double> want = start, want_vmax(7, 0.625);
    for (const Segment& s : {table[0], table[2]})
        for (std::int64_t i = s.offset; i < s.offset + s.size; ++i) {
            const double lr = 0.1 * s.lr_scale, grad = 2.0 * g[i];
            const double first = 0.9 * 0.25 + 0.1 * grad, second = 0.9 * 0.5 + 0.1 * grad * grad;
            const double largest = std::max(0.625, second);
            const double step_size = lr / (1.0 - 0.9 * 0.9 * 0.9);
            double& x = want[static_cast<std::size_t>(i)];
            x -= lr * s.weight_decay * x;
            x -= step_size * first / (std::sqrt(largest / (1.0 - 0.729)) + 1e-3);
            want_vmax[static_cast<std::size_t>(i)] = largest;
        }
    CHECK(error(p, want) < tolerance<TestType>);
    CHECK(error(vmax, want_vmax) < tolerance<TestType>);
    CHECK((m[2] == 0.25 && m[3] == 0.25 && v[3] == 0.5 && v[4] == 0.5));

    // Plain descent, no momentum buffer.
    Array<TestType> q({7}, start);
    SgdArgs plain;
    plain.lr = 0.5;
    plain.grad_scale = 3.0;
    reference::sgd_step(on_reference, q, View(), g, segments, plain);
    want = start;
    for (const Segment& s : {table[0], table[2]})
        for (std::int64_t i = s.offset; i < s.offset + s.size; ++i) {
            double& x = want[static_cast<std::size_t>(i)];
            x -= 0.5 * s.lr_scale * (3.0 * g[i] + s.weight_decay * x);
        }
    CHECK(error(q, want) < tolerance<TestType>);
}

TEST_CASE("SGD ignores dampening on the first step only", "[reference]") {
    Array<double> p({1}, {0}), momentum({1});
    const Array<double> g({1}, {1.0});
    const Segment segment{0, 1};
    SgdArgs args;
    args.lr = 1.0;
    args.momentum = 0.5;
    args.dampening = 0.25;
    reference::sgd_step(on_reference, p, momentum, g, {&segment, 1}, args);
    CHECK(p[0] == -1.0);
    args.step = 2;
    reference::sgd_step(on_reference, p, momentum, g, {&segment, 1}, args);
    CHECK(momentum[0] == 1.25);
    CHECK(p[0] == -2.25);
}

TEST_CASE("EMA", "[reference]") {
    Array<float> e({2}, {1, 2});
    reference::ema_update(on_reference, e, Array<float>({2}, {3, -2}), 0.75);
    CHECK(error(e, {1.5, 1}) == 0.0);
}
