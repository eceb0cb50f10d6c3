// Matrix products against the definition, each element summed on its own in long double.
#include <catch2/catch.hpp>

#include "kernels/include/matmul.h"
#include "tests/reference/array.h"

using namespace fovea;
using namespace fovea::tests;
namespace reference = fovea::kernels::reference;

namespace {

/// sum_k a(i,k) b(k,j) as a dense M x N matrix.
template <class A, class B>
std::vector<double> product(std::int64_t M, std::int64_t N, std::int64_t K, A a, B b) {
    std::vector<double> c;
    for (std::int64_t i = 0; i < M; ++i)
        for (std::int64_t j = 0; j < N; ++j) {
            long double sum = 0;
            for (std::int64_t k = 0; k < K; ++k) sum += static_cast<long double>(a(i, k)) * b(k, j);
            c.push_back(static_cast<double>(sum));
        }
    return c;
}

std::vector<double> plus(std::vector<double> a, const std::vector<double>& b, double factor) {
    for (std::size_t i = 0; i < a.size(); ++i) a[i] = factor * a[i] + b[i];
    return a;
}

}  // namespace

TEMPLATE_TEST_CASE("matmul for odd sizes, transposes and batches", "[reference]", float, double) {
    const std::int64_t M = GENERATE(0, 1, 33), N = GENERATE(1, 31, 32), K = GENERATE(0, 1, 33);
    const bool ta = GENERATE(false, true), tb = GENERATE(false, true);
    CAPTURE(M, N, K, ta, tb);
    const auto a = Array<TestType>::random(ta ? Shape{2, K, M} : Shape{2, M, K}, 1);
    const auto b = Array<TestType>::random(tb ? Shape{2, N, K} : Shape{2, K, N}, 2);
    Array<TestType> c({2, M, N});
    reference::matmul(on_reference, c, a, b, ta, tb, 0.5, GradMode::Overwrite);

    std::vector<double> want;
    for (std::int64_t batch = 0; batch < 2; ++batch) {
        const auto part = product(
            M, N, K,
            [&](auto i, auto k) { return a[batch * M * K + (ta ? k * M + i : i * K + k)]; },
            [&](auto k, auto j) { return b[batch * K * N + (tb ? j * K + k : k * N + j)]; });
        for (const double x : part) want.push_back(0.5 * x);
    }
    CHECK(error(c, want) < tolerance<TestType>);
    reference::matmul(on_reference, c, a, b, ta, tb, 1.0, GradMode::Accumulate);
    for (double& w : want) w *= 3.0;
    CHECK(error(c, want) < 2 * tolerance<TestType>);
}

TEST_CASE("matmul leaves the gaps between strided rows alone", "[reference]") {
    auto a = Array<double>::random({3, 7}, 1), b = Array<double>::random({5, 6}, 2);
    Array<double> c({3, 10}, std::vector<double>(30, -1.0));
    reference::matmul(on_reference, c.seen_as({3, 4}, {10, 1}, 2), a.seen_as({3, 5}, {7, 1}, 1),
                      b.seen_as({5, 4}, {6, 1}, 2), false, false, 1.0, GradMode::Overwrite);
    const auto inner = product(
        3, 4, 5, [&](auto i, auto k) { return a[i * 7 + 1 + k]; },
        [&](auto k, auto j) { return b[k * 6 + 2 + j]; });
    std::vector<double> want(30, -1.0);
    for (std::size_t i = 0; i < 12; ++i) want[i / 4 * 10 + 2 + i % 4] = inner[i];
    CHECK(error(c, want) < 1e-14);
}

TEMPLATE_TEST_CASE("linear, forward and backward", "[reference]", float, double) {
    const std::int64_t M = GENERATE(0, 1, 32), N = GENERATE(1, 33), K = GENERATE(1, 31);
    CAPTURE(M, N, K);
    const auto x = Array<TestType>::random({M, K}, 1), w = Array<TestType>::random({N, K}, 2);
    const auto b = Array<TestType>::random({N}, 3), dy = Array<TestType>::random({M, N}, 4);
    auto dx = Array<TestType>::random({M, K}, 5), dw = Array<TestType>::random({N, K}, 6);
    const auto old_dx = dx, old_dw = dw;
    Array<TestType> y({M, N}), db({N});

    auto want = product(
        M, N, K, [&](auto i, auto k) { return x[i * K + k]; },
        [&](auto k, auto j) { return w[j * K + k]; });
    reference::linear_forward(on_reference, y, x, w, CView(), Unary::Identity);
    CHECK(error(y, want) < tolerance<TestType>);
    for (std::size_t i = 0; i < want.size(); ++i)
        want[i] = std::tanh(want[i] + b[static_cast<std::int64_t>(i) % N]);
    reference::linear_forward(on_reference, y, x, w, b, Unary::Tanh);
    CHECK(error(y, want) < tolerance<TestType>);

    const auto values = [](const Array<TestType>& a) {
        return a.size() == 0 ? std::vector<double>{} : std::vector<double>(&a[0], &a[0] + a.size());
    };
    const auto dx_want = product(
        M, K, N, [&](auto i, auto j) { return dy[i * N + j]; },
        [&](auto j, auto k) { return w[j * K + k]; });
    reference::linear_backward_input(on_reference, dx, dy, w, GradMode::Accumulate);
    CHECK(error(dx, plus(values(old_dx), dx_want, 1.0)) < tolerance<TestType>);

    const auto dw_want = product(
        N, K, M, [&](auto j, auto i) { return dy[i * N + j]; },
        [&](auto i, auto k) { return x[i * K + k]; });
    const auto db_want = product(
        1, N, M, [](auto, auto) { return 1.0; }, [&](auto i, auto j) { return dy[i * N + j]; });
    reference::linear_backward_weight(on_reference, dw, View(), dy, x, GradMode::Accumulate);
    CHECK(error(dw, plus(values(old_dw), dw_want, 1.0)) < tolerance<TestType>);
    reference::linear_backward_weight(on_reference, dw, db, dy, x, GradMode::Overwrite);
    CHECK(error(dw, dw_want) < tolerance<TestType>);
    CHECK(error(db, db_want) < tolerance<TestType>);
}

TEST_CASE("the gradient through an activation, by hand", "[reference]") {
    // dy w = {1, 2} {{3, -1, 0.5}, {1, 4, 2}} = {5, 7, 4.5}.
    const Array<double> dy({1, 2}, {1, 2}), w({2, 3}, {3, -1, 0.5, 1, 4, 2});
    const Array<double> pre({1, 3}, {-1, 0, 1});
    Array<double> dpre({1, 3});
    const auto back = [&](Unary f, GradMode mode) {
        reference::linear_backward_preactivation(on_reference, dpre, dy, w, pre, f, mode);
    };
    back(Unary::Relu, GradMode::Overwrite);
    CHECK(error(dpre, {0, 0, 4.5}) < 1e-15);
    back(Unary::Square, GradMode::Accumulate);  // 2 pre
    CHECK(error(dpre, {-10, 0, 13.5}) < 1e-15);
    // GELU'(x) = Phi(x) + x phi(x), with Phi(1) = 0.8413447460685429 and phi(1) = 0.2419707245191434.
    back(Unary::GeluErf, GradMode::Overwrite);
    CHECK(error(dpre, {5 * (0.1586552539314571 - 0.2419707245191434), 3.5,
                       4.5 * (0.8413447460685429 + 0.2419707245191434)}) < 1e-13);
    back(Unary::GeluErf, GradMode::Ignore);
    CHECK(dpre[1] == 3.5);
}

TEST_CASE("the gradient through tanh against differences", "[reference]") {
    const auto dy = Array<double>::random({3, 4}, 1), w = Array<double>::random({4, 5}, 2);
    auto pre = Array<double>::random({3, 5}, 3);
    Array<double> dpre({3, 5}), x({3, 5}), y({3, 4});
    const auto want = central_differences(pre, [&] {
        for (std::int64_t i = 0; i < pre.size(); ++i) x[i] = std::tanh(pre[i]);
        reference::linear_forward(on_reference, y, x, w, CView(), Unary::Identity);
        return dot(y, dy);
    });
    reference::linear_backward_preactivation(on_reference, dpre, dy, w, pre, Unary::Tanh,
                                             GradMode::Overwrite);
    CHECK(error(dpre, want) < 1e-9);
}
