// LayerNorm and BatchNorm: the textbook in two passes, gradients by central differences.
#include <catch2/catch.hpp>

#include "kernels/include/norm.h"
#include "tests/reference/array.h"

using namespace fovea;
using namespace fovea::tests;
namespace reference = fovea::kernels::reference;

namespace {

using Index = std::int64_t;

/// Mean and biased variance of n numbers number(i).
template <class F>
std::pair<double, double> moments(Index n, F number) {
    long double mean = 0, variance = 0;
    for (Index i = 0; i < n; ++i) mean += number(i);
    mean /= n;
    for (Index i = 0; i < n; ++i) variance += (number(i) - mean) * (number(i) - mean);
    return {static_cast<double>(mean), static_cast<double>(variance / n)};
}

}  // namespace

TEST_CASE("LayerNorm of 1 2 4", "[reference]") {
    const Array<double> x({1, 3}, {1, 2, 4});
    Array<double> y({1, 3});
    reference::layer_norm_forward(on_reference, y, View(), View(), x, CView(), CView(), 1e-5);
    CHECK(error(y, {-1.0690415315, -0.2672603829, 1.3363019143}) < 1e-10);
}

TEMPLATE_TEST_CASE("LayerNorm in two passes", "[reference]", float, double) {
    const Index rows = GENERATE(0, 1, 5), C = GENERATE(1, 31, 32, 33);
    CAPTURE(rows, C);
    auto x = Array<TestType>::random({rows, C}, 1);
    for (Index i = 0; i < x.size(); ++i) x[i] += 100;  // E[x^2] - E[x]^2 would lose four digits
    const auto w = Array<TestType>::random({C}, 2), b = Array<TestType>::random({C}, 3);
    Array<TestType> y({rows, C}), mean({rows}), rstd({rows});
    reference::layer_norm_forward(on_reference, y, mean, rstd, x, w, b, 1e-6);

    std::vector<double> want, want_mean;
    for (Index r = 0; r < rows; ++r) {
        const auto [m, v] = moments(C, [&](Index c) { return x[r * C + c]; });
        want_mean.push_back(m);
        CHECK(rstd[r] * std::sqrt(v + 1e-6) == Approx(1.0).epsilon(1e-6));
        for (Index c = 0; c < C; ++c)
            want.push_back((x[r * C + c] - m) / std::sqrt(v + 1e-6) * w[c] + b[c]);
    }
    CHECK(error(y, want) < 10 * tolerance<TestType>);
    CHECK(error(mean, want_mean) < tolerance<TestType>);
}

TEST_CASE("LayerNorm gradients, with and without weights", "[reference]") {
    const bool affine = GENERATE(true, false);
    auto x = Array<double>::random({3, 7}, 1), w = Array<double>::random({7}, 2);
    auto b = Array<double>::random({7}, 3);
    const auto dy = Array<double>::random({3, 7}, 4);
    Array<double> y({3, 7}), mean({3}), rstd({3}), dx({3, 7}), dw({7}), db({7});
    const auto weights = [&]() -> CView { return affine ? CView(w) : CView(); };
    const auto loss = [&] {
        reference::layer_norm_forward(on_reference, y, mean, rstd, x, weights(),
                                      affine ? CView(b) : CView(), 1e-3);
        return dot(y, dy);
    };
    loss();
    reference::layer_norm_backward(on_reference, dx, affine ? View(dw) : View(),
                                   affine ? View(db) : View(), dy, x, weights(), mean, rstd,
                                   GradMode::Overwrite, GradMode::Overwrite);
    auto dx_want = central_differences(x, loss);
    CHECK(error(dx, dx_want) < 1e-8);
    if (affine) {
        CHECK(error(dw, central_differences(w, loss)) < 1e-8);
        CHECK(error(db, central_differences(b, loss)) < 1e-8);
    }
    const Array<double> dw_before = dw;
    loss();  // mean and rstd of x itself again, after the last difference
    reference::layer_norm_backward(on_reference, dx, dw, View(), dy, x, weights(), mean, rstd,
                                   GradMode::Accumulate, GradMode::Ignore);
    for (double& g : dx_want) g *= 2.0;
    CHECK(error(dx, dx_want) < 1e-8);
    if (affine) CHECK(dw[3] == dw_before[3]);
}

TEMPLATE_TEST_CASE("BatchNorm training step", "[reference]", float, double) {
    const Index rows = GENERATE(2, 31, 33), C = GENERATE(1, 5);
    const auto x = Array<TestType>::random({rows, C}, 1), w = Array<TestType>::random({C}, 2);
    const auto b = Array<TestType>::random({C}, 3);
    auto running_mean = Array<TestType>::random({C}, 4),
         running_var = Array<TestType>::random({C}, 5);
    Array<TestType> y({rows, C}), mean({C}), rstd({C}), eval({rows, C});

    std::vector<double> y_want(static_cast<std::size_t>(rows * C)), mean_want, var_want;
    for (Index c = 0; c < C; ++c) {
        const auto [m, v] = moments(rows, [&](Index r) { return x[r * C + c]; });
        const auto n = static_cast<double>(rows);
        mean_want.push_back(0.7 * running_mean[c] + 0.3 * m);
        var_want.push_back(0.7 * running_var[c] + 0.3 * v * n / (n - 1.0));
        for (Index r = 0; r < rows; ++r)
            y_want[static_cast<std::size_t>(r * C + c)] =
                (x[r * C + c] - m) / std::sqrt(v + 1e-3) * w[c] + b[c];
    }
    reference::batch_norm_forward_train(on_reference, y, mean, rstd, running_mean, running_var, x,
                                        w, b, 1e-3, 0.3);
    CHECK(error(y, y_want) < 10 * tolerance<TestType>);
    CHECK(error(running_mean, mean_want) < tolerance<TestType>);
    CHECK(error(running_var, var_want) < tolerance<TestType>);

    // With the batch's own statistics, inference is the training form.
    Array<TestType> var({C});
    for (Index c = 0; c < C; ++c) var[c] = 1 / (rstd[c] * rstd[c]);
    reference::batch_norm_forward_eval(on_reference, eval, x, w, b, mean, var, 0.0);
    CHECK(error(eval, y_want) < 10 * tolerance<TestType>);
}

TEST_CASE("BatchNorm gradients through and around the statistics", "[reference]") {
    const bool training = GENERATE(true, false);
    CAPTURE(training);
    auto x = Array<double>::random({6, 3}, 1), w = Array<double>::random({3}, 2);
    auto b = Array<double>::random({3}, 3);
    const auto dy = Array<double>::random({6, 3}, 4);
    const Array<double> fixed_mean({3}, {0.1, -0.2, 0.3}), fixed_var({3}, {0.5, 1.0, 2.0});
    Array<double> y({6, 3}), mean({3}), rstd({3}), dx({6, 3}), dw({3}), db({3});
    const auto loss = [&] {
        if (training)
            reference::batch_norm_forward_train(on_reference, y, mean, rstd, View(), View(), x, w,
                                                b, 1e-3, 0.1);
        else
            reference::batch_norm_forward_eval(on_reference, y, x, w, b, fixed_mean, fixed_var,
                                               1e-3);
        return dot(y, dy);
    };
    loss();
    if (training)
        reference::batch_norm_backward_train(on_reference, dx, dw, db, dy, x, w, mean, rstd,
                                             GradMode::Overwrite);
    else
        reference::batch_norm_backward_eval(on_reference, dx, dw, db, dy, x, w, fixed_mean,
                                            fixed_var, 1e-3, GradMode::Overwrite);
    CHECK(error(dx, central_differences(x, loss)) < 1e-8);
    CHECK(error(dw, central_differences(w, loss)) < 1e-8);
    CHECK(error(db, central_differences(b, loss)) < 1e-8);
}
