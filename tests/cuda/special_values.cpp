// Infinities, NaN and near-certain predictions, which the case table's numbers do not reach: a CUDA
// device gives what the reference gives.
#include <catch2/catch.hpp>

#include <cmath>
#include <limits>

#include "core/ops/loss.h"
#include "core/ops/pool.h"
#include "core/ops/softmax.h"
#include "core/tape.h"
#include "tests/cases/distance.h"

using namespace fovea;
using namespace fovea::tests;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

/// Output of f at x, and the gradient of a weighted sum of it.
struct Result {
    std::vector<double> y, dx;
};
template <class F>
Result run(const std::vector<double>& x, const Shape& shape, Device device, DType dtype, F f) {
    Tensor input = Tensor::from(x, shape, dtype, device);
    input.set_requires_grad();
    Tape tape;
    const Tensor y = f(input);
    std::vector<double> weights(static_cast<std::size_t>(y.numel()));
    for (std::size_t i = 0; i < weights.size(); ++i) weights[i] = i % 3 == 0 ? 1.0 : -0.5;
    tape.backward_from(y, Tensor::from(weights, y.shape(), y.dtype(), device));
    return {y.to_vector(), input.grad().to_vector()};
}

double largest_finite(const std::vector<double>& values) {
    double size = 0.0;
    for (const double v : values)
        if (std::isfinite(v)) size = std::max(size, std::abs(v));
    return size;
}

/// The same on both devices, NaN for NaN and infinity for infinity; the values of x are exact in BF16.
template <class F>
void check_same(const std::vector<double>& x, const Shape& shape, F f) {
    const Result exact = run(x, shape, Device::reference(), DType::F64, f);
    for (const DType dtype : {DType::F32, DType::BF16}) {
        INFO(name_of(dtype));
        const double rounding = dtype == DType::F32 ? 0x1p-20 : 0x1p-7;
        const Result got = run(x, shape, Device::cuda(), dtype, f);
        CHECK(distance(got.y, exact.y) <= rounding * largest_finite(exact.y));
        CHECK(distance(got.dx, exact.dx) <= rounding * largest_finite(exact.dx));
    }
}

}  // namespace

TEST_CASE("softmax of rows with infinities and NaN", "[cuda]") {
    for (const std::int64_t C : {8, 33, 256, 1000}) {
        INFO(C << " columns");
        std::vector<double> x(static_cast<std::size_t>(4 * C),
                              -kInfinity);  // row 0: no class at all
        for (std::int64_t c = 0; c < C; ++c) {
            if (c % 2 == 1) x[static_cast<std::size_t>(C + c)] = 0.5;  // row 1: every second class
            x[static_cast<std::size_t>(2 * C + c)] = c == C / 2 ? kNan : 0.25;
            x[static_cast<std::size_t>(3 * C + c)] = c == C - 1 ? 100.0 : -100.0;
        }
        check_same(x, {4, C}, [](const Tensor& t) { return ops::softmax(t); });
        check_same(x, {4, C}, [](const Tensor& t) { return ops::log_softmax(t); });
    }
}

TEST_CASE("cross-entropy of a class that cannot be", "[cuda]") {
    const std::int64_t C = 40;
    std::vector<double> x(static_cast<std::size_t>(2 * C), 0.25);
    for (std::int64_t c = 8; c < C; ++c) x[static_cast<std::size_t>(c)] = -kInfinity;
    check_same(x, {2, C}, [](const Tensor& t) {
        const Tensor labels = Tensor::from({3.0, 9.0}, {2}, DType::I64, t.device());
        return ops::cross_entropy(t, labels, 0.0, ops::Reduction::None);
    });
}

TEST_CASE("cross-entropy with two right classes out of very many", "[cuda]") {
    const std::int64_t C = 13000;  // more than a block keeps in registers
    std::vector<double> x(static_cast<std::size_t>(C)), t(x.size());
    for (std::size_t c = 0; c < x.size(); ++c) x[c] = static_cast<double>(c % 9) * 0.25;
    t[5] = t[12999] = 0.5;
    x[5] = 8.0;
    check_same(x, {1, C}, [&](const Tensor& logits) {
        const Tensor targets = Tensor::from(t, {1, C}, wide(logits.dtype()), logits.device());
        return ops::soft_cross_entropy(logits, targets, ops::Reduction::None);
    });
}

TEST_CASE("a certain and right prediction keeps its gradient", "[cuda]") {
    // p = 1 - 1e-6 at the label. 1 - p, formed from the rounded p, would be off by 5 % in F32.
    const std::int64_t C = 1000, label = 7;
    std::vector<double> x(static_cast<std::size_t>(C), 0.0);
    x[label] = 20.75;
    const auto loss = [](const Tensor& t) {
        const Tensor labels =
            Tensor::from({static_cast<double>(label)}, {1}, DType::I64, t.device());
        return ops::cross_entropy(t, labels, 0.0, ops::Reduction::None);
    };
    const Result exact = run(x, {1, C}, Device::reference(), DType::F64, loss);
    REQUIRE(std::abs(exact.dx[label]) < 2e-6);
    for (const DType dtype : {DType::F32, DType::BF16}) {
        INFO(name_of(dtype));
        const Result got = run(x, {1, C}, Device::cuda(), dtype, loss);
        CHECK(std::abs(got.y[0] / exact.y[0] - 1.0) < 1e-5);
        CHECK(std::abs(got.dx[label] / exact.dx[label] - 1.0) <
              (dtype == DType::F32 ? 1e-5 : 0x1p-8));
    }
}

TEST_CASE("NaN wins in maximum pooling, and the first of equals", "[cuda]") {
    const Shape shape = {1, 4, 4, 8};
    std::vector<double> x(static_cast<std::size_t>(shape.numel()), -kInfinity);
    for (std::size_t pixel = 0; pixel < 16; ++pixel) {
        x[pixel * 8 + 1] = 2.0;
        x[pixel * 8 + 2] = pixel == 9 ? kNan : 3.0;
        x[pixel * 8 + 3] = pixel == 5 ? -1.0 : -kInfinity;
    }
    for (const PoolParams& params : {PoolParams{}, PoolParams{{3, 3}, {2, 2}, {1, 1}}})
        check_same(x, shape, [&](const Tensor& t) { return ops::max_pool2d(t, params); });
}
