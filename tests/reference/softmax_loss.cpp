// Softmax and cross-entropy: published values, limits, gradients by central differences.
#include <catch2/catch.hpp>

#include "kernels/include/loss.h"
#include "kernels/include/softmax.h"
#include "tests/reference/array.h"

using namespace fovea;
using namespace fovea::tests;
namespace reference = fovea::kernels::reference;

namespace {

using Index = std::int64_t;

}  // namespace

TEMPLATE_TEST_CASE("Softmax and log-softmax by their definition", "[reference]", float, double) {
    const Index rows = GENERATE(0, 1, 3), C = GENERATE(1, 31, 33);
    const auto x = Array<TestType>::random({rows, C}, 1);
    Array<TestType> y({rows, C}), log_y({rows, C});
    reference::softmax_forward(on_reference, y, x);
    reference::log_softmax_forward(on_reference, log_y, x);
    std::vector<double> p, log_p;
    for (Index r = 0; r < rows; ++r) {
        double sum = 0.0;
        for (Index c = 0; c < C; ++c) sum += std::exp(static_cast<double>(x[r * C + c]));
        for (Index c = 0; c < C; ++c) {
            p.push_back(std::exp(static_cast<double>(x[r * C + c])) / sum);
            log_p.push_back(std::log(p.back()));
        }
    }
    CHECK(error(y, p) < tolerance<TestType>);
    CHECK(error(log_y, log_p) < tolerance<TestType>);
}

TEST_CASE("Softmax at the limits", "[reference]") {
    const Array<double> x({3, 2}, {1e4, 1e4, -infinity, -infinity, -infinity, -1e300});
    Array<double> y({3, 2});
    reference::softmax_forward(on_reference, y, x);
    CHECK(error(y, {0.5, 0.5, 0, 0, 0, 1}) == 0.0);

    const Array<double> bad({1, 2}, {not_a_number, -infinity});
    Array<double> z({1, 2});
    reference::softmax_forward(on_reference, z, bad);
    CHECK((std::isnan(z[0]) && std::isnan(z[1])));
}

TEST_CASE("Softmax gradients", "[reference]") {
    const bool logarithm = GENERATE(false, true);
    auto x = Array<double>::random({3, 5}, 1);
    const auto dy = Array<double>::random({3, 5}, 2);
    Array<double> y({3, 5}), dx({3, 5});
    const auto loss = [&] {
        logarithm ? reference::log_softmax_forward(on_reference, y, x)
                  : reference::softmax_forward(on_reference, y, x);
        return dot(y, dy);
    };
    loss();
    logarithm ? reference::log_softmax_backward(on_reference, dx, dy, y)
              : reference::softmax_backward(on_reference, dx, dy, y);
    CHECK(error(dx, central_differences(x, loss)) < 1e-9);
}

TEMPLATE_TEST_CASE("Cross-entropy has the published values", "[reference]", float, double) {
    const Array<TestType> z({2, 3}, {2, 0.5, -1, 0.1, 1.2, 0.3});
    const std::int64_t labels[] = {0, 2};
    const CView label_view(labels, {2}, {1}, DType::I64);
    Array<TestType> loss({2}), dz({2, 3});
    for (const auto& [smoothing, want] : {std::pair{0.0, .8474374732}, {0.1, .9107708065}}) {
        reference::softmax_cross_entropy(on_reference, loss, dz, z, label_view, smoothing);
        CHECK((loss[0] + loss[1]) / 2 == Approx(want).epsilon(sizeof(TestType) == 8 ? 1e-9 : 1e-6));

        // The same targets given in full: the same loss and gradient.
        Array<TestType> t({2, 3}), soft_loss({2}), soft_dz({2, 3});
        for (Index i = 0; i < 6; ++i)
            t[i] = static_cast<TestType>((labels[i / 3] == i % 3 ? 1.0 - smoothing : 0.0) +
                                         smoothing / 3.0);
        reference::soft_target_cross_entropy(on_reference, soft_loss, soft_dz, z, t);
        CHECK(error(soft_loss, {loss[0], loss[1]}) < tolerance<TestType>);
        CHECK(error(soft_dz, {dz[0], dz[1], dz[2], dz[3], dz[4], dz[5]}) < tolerance<TestType>);
    }
}

TEST_CASE("Cross-entropy gradients, targets of any sum", "[reference]") {
    auto z = Array<double>::random({2, 5}, 1);
    const Array<double> t({2, 5}, {0.5, 0.2, 0, 0, 0.9, 0, 0, 1, 0, 0});
    Array<double> loss({2}), dz({2, 5});
    const auto total = [&] {
        reference::soft_target_cross_entropy(on_reference, loss, View(), z, t);
        return loss[0] + loss[1];
    };
    reference::soft_target_cross_entropy(on_reference, loss, dz, z, t);
    CHECK(error(dz, central_differences(z, total)) < 1e-9);
}

TEST_CASE("Cross-entropy ignores an impossible class of no weight", "[reference]") {
    const Array<double> z({1, 3}, {0, -infinity, 0});
    const std::int64_t label = 2;
    Array<double> loss({1}), dz({1, 3});
    reference::softmax_cross_entropy(on_reference, loss, dz, z, CView(&label, {1}, {1}, DType::I64),
                                     0.0);
    CHECK(error(loss, {std::log(2.0)}) < 1e-15);
    CHECK(error(dz, {0.5, 0, -0.5}) < 1e-15);
}
