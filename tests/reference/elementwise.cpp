// Fill, copy and conversion, unary functions, broadcasting, and the reductions that undo it.
#include <catch2/catch.hpp>
#include <cstring>

#include "kernels/include/elementwise.h"
#include "kernels/include/reduce.h"
#include "tests/reference/array.h"

using namespace fovea;
using namespace fovea::tests;
namespace reference = fovea::kernels::reference;

namespace {

/// The bits that one value has in a 16-bit format.
std::uint16_t bits_in(DType type, double value) {
    const Array<double> x({1}, {value});
    std::uint16_t bits = 0;
    reference::copy(on_reference, View{{&bits, {1}, {1}, type}}, x);
    return bits;
}

double value_of(DType type, std::uint16_t bits) {
    Array<double> y({1});
    reference::copy(on_reference, y, CView(&bits, {1}, {1}, type));
    return y[0];
}

}  // namespace

TEST_CASE("Unary functions have the published values", "[reference]") {
    const Array<double> x({6}, {-2, -1, -0.5, 0.5, 1, 2});
    const std::pair<Unary, std::vector<double>> fixtures[] = {
        {Unary::GeluErf,
         {-.0455002639, -.1586552539, -.1542687694, .3457312306, .8413447461, 1.9544997361}},
        {Unary::GeluTanh,
         {-.0454023059, -.1588080094, -.1542859902, .3457140098, .8411919906, 1.9545976941}},
        {Unary::QuickGelu,
         {-.0643413769, -.1542042341, -.1496115634, .3503884366, .8457957659, 1.9356586231}},
        {Unary::Relu, {0, 0, 0, 0.5, 1, 2}},
        {Unary::Square, {4, 1, 0.25, 0.25, 1, 4}},
        {Unary::Identity, {-2, -1, -0.5, 0.5, 1, 2}}};
    for (const auto& [f, want] : fixtures) {
        Array<double> y(x.shape);
        reference::unary_forward(on_reference, y, x, f);
        CHECK(error(y, want) < 1e-10);
    }
    Array<double> far({4}, {-1000, 1000, not_a_number, 0}), y({4});
    reference::unary_forward(on_reference, y, far, Unary::Silu);
    CHECK(y[0] == 0.0);
    CHECK(y[1] == 1000.0);
    reference::unary_forward(on_reference, y, far, Unary::Relu);
    CHECK(std::isnan(y[2]));
}

TEST_CASE("Unary gradients are those of central differences", "[reference]") {
    const auto f = GENERATE(Unary::Identity, Unary::Relu, Unary::GeluErf, Unary::GeluTanh,
                            Unary::QuickGelu, Unary::Silu, Unary::Sigmoid, Unary::Tanh, Unary::Exp,
                            Unary::Log, Unary::Sqrt, Unary::Square);
    CAPTURE(static_cast<int>(f));
    const bool positive = f == Unary::Log || f == Unary::Sqrt;
    auto x = Array<double>::random({33}, 3);
    for (std::int64_t i = 0; i < 33; ++i) x[i] = positive ? 1.5 + x[i] : 3.0 * x[i];
    const auto dy = Array<double>::random({33}, 4);

    Array<double> y({33}), dx({33}, std::vector<double>(33, 10.0));
    auto want = central_differences(x, [&] {
        reference::unary_forward(on_reference, y, x, f);
        return dot(y, dy);
    });
    reference::unary_backward(on_reference, dx, dy, x, f, GradMode::Ignore);
    CHECK(dx[0] == 10.0);
    reference::unary_backward(on_reference, dx, dy, x, f, GradMode::Overwrite);
    CHECK(error(dx, want) < 1e-9);
    reference::unary_backward(on_reference, dx, dy, x, f, GradMode::Accumulate);
    for (double& w : want) w *= 2.0;
    CHECK(error(dx, want) < 1e-9);
}

TEST_CASE("Rounding to BF16 and F16 is to nearest, ties to even", "[reference]") {
    using Case = std::pair<double, std::uint16_t>;
    for (const auto& [value, bits] :
         {Case{1.0, 0x3F80}, Case{-0.0, 0x8000}, Case{1.0 + 0x1p-8, 0x3F80},
          Case{1.0 + 0x3p-8, 0x3F82}, Case{1.0 + 0x1p-8 + 0x1p-40, 0x3F81},
          Case{3.3895313892515355e38, 0x7F7F}, Case{3.4e38, 0x7F80}, Case{-infinity, 0xFF80},
          Case{0x1p-133, 0x0001}, Case{0x1p-134, 0x0000}, Case{0x1p-126 * (1 - 0x1p-9), 0x0080}})
        CHECK(bits_in(DType::BF16, value) == bits);
    for (const auto& [value, bits] :
         {Case{1.0, 0x3C00}, Case{65504.0, 0x7BFF}, Case{65519.9, 0x7BFF}, Case{65520.0, 0x7C00},
          Case{0x1p-24, 0x0001}, Case{0x1p-25, 0x0000}, Case{0x3p-25, 0x0002},
          Case{0x1p-14, 0x0400}, Case{-1.0 - 0x3p-11, 0xBC02}, Case{1e300, 0x7C00}})
        CHECK(bits_in(DType::F16, value) == bits);
    CHECK(std::isnan(value_of(DType::BF16, bits_in(DType::BF16, not_a_number))));
    CHECK(std::isnan(value_of(DType::F16, bits_in(DType::F16, not_a_number))));
}

TEST_CASE("Every 16-bit float survives the way to double and back", "[reference]") {
    const auto type = GENERATE(DType::F16, DType::BF16);
    int changed = 0;
    for (int i = 0; i < 0x10000; ++i) {
        const auto bits = static_cast<std::uint16_t>(i);
        const double value = value_of(type, bits);
        if (type == DType::BF16 && !std::isnan(value)) {  // BF16 is the upper half of a float
            const std::uint32_t wide = static_cast<std::uint32_t>(i) << 16;
            float as_float = 0;
            std::memcpy(&as_float, &wide, sizeof wide);
            changed += value == as_float ? 0 : 1;
        }
        changed += std::isnan(value) || bits_in(type, value) == bits ? 0 : 1;
    }
    CHECK(changed == 0);
}

TEST_CASE("Copy transposes, broadcasts and converts", "[reference]") {
    std::int64_t big[6] = {-1, 0, 1, 2, (std::int64_t{1} << 53) + 1, 5};
    std::int64_t out[6] = {};
    const CView transposed(big, {3, 2}, {1, 3}, DType::I64);
    reference::copy(on_reference, View{{out, {3, 2}, {2, 1}, DType::I64}}, transposed);
    CHECK(std::vector<std::int64_t>(out, out + 6) ==
          std::vector<std::int64_t>{big[0], big[3], big[1], big[4], big[2], big[5]});

    std::uint8_t bytes[4] = {};
    const Array<float> x({2}, {2.9, 255.0});
    reference::copy(on_reference, View{{bytes, {2, 2}, {2, 1}, DType::U8}},
                    CView(&x[0], {2, 2}, {0, 1}, DType::F32));
    CHECK(std::vector<int>(bytes, bytes + 4) == std::vector<int>{2, 255, 2, 255});

    bool flags[2] = {};
    reference::copy(on_reference, View{{flags, {2}, {1}, DType::Bool}},
                    Array<float>({2}, {0, 0.1}));
    CHECK((!flags[0] && flags[1]));

    Array<double> scalar{Shape{}};
    reference::copy(on_reference, scalar, Array<float>({}, {0.5}));
    CHECK(error(scalar, {0.5}) == 0.0);
    reference::fill(on_reference, View{{out, {6}, {1}, DType::I64}}, -3.0);
    CHECK(std::count(out, out + 6, -3) == 6);
}

TEMPLATE_TEST_CASE("Binary functions broadcast, and reduce_sum undoes it", "[reference]", float,
                   double) {
    auto a = Array<TestType>::random({2, 3, 33}, 1), b = Array<TestType>::random({3}, 2);
    const View across = b.seen_as({2, 3, 33}, {0, 1, 0});
    const auto op = GENERATE(Binary::Add, Binary::Sub, Binary::Mul, Binary::Div);
    Array<TestType> y(a.shape);
    reference::binary(on_reference, y, a, across, op);

    std::vector<double> want, sums(3, 1.0);
    for (std::int64_t i = 0; i < y.size(); ++i) {
        const std::int64_t j = i / 33 % 3;
        const double l = a[i], r = b[j];
        want.push_back(op == Binary::Add   ? l + r
                       : op == Binary::Sub ? l - r
                       : op == Binary::Mul ? l * r
                                           : l / r);
        sums[static_cast<std::size_t>(j)] += 0.5 * y[i];
    }
    CHECK(error(y, want) < tolerance<TestType>);

    Array<TestType> reduced({1, 3, 1}, {1, 1, 1});
    reference::reduce_sum(on_reference, reduced, y, 0.5, GradMode::Accumulate);
    CHECK(error(reduced, sums) < tolerance<TestType>);
}

TEST_CASE("reduce_sum reads strided views and writes zero for a sum of nothing", "[reference]") {
    auto x = Array<double>::random({5, 4}, 1);
    Array<double> y({4, 1});
    reference::reduce_sum(on_reference, y, x.seen_as({4, 5}, {1, 4}), 1.0, GradMode::Overwrite);
    std::vector<double> want(4, 0.0);
    for (std::int64_t i = 0; i < 20; ++i) want[static_cast<std::size_t>(i % 4)] += x[i];
    CHECK(error(y, want) < 1e-15);

    Array<double> none({0, 4}), zeros({1, 4});
    reference::reduce_sum(on_reference, zeros, none, 1.0, GradMode::Overwrite);
    CHECK(error(zeros, {0, 0, 0, 0}) == 0.0);
}

TEST_CASE("axpby with beta 0 does not read y", "[reference]") {
    const Array<float> x({3}, {1, 2, 3});
    Array<float> y({3});
    reference::axpby(on_reference, y, x, 2.0, 0.0);
    CHECK(error(y, {2, 4, 6}) == 0.0);
    reference::axpby(on_reference, y, x, 1.0, -0.5);
    CHECK(error(y, {0, 0, 0}) == 0.0);
}

TEMPLATE_TEST_CASE("sum_of_squares and count_nonfinite", "[reference]", float, double) {
    Array<TestType> x({5}, {3, 4, -infinity, not_a_number, infinity});
    double sum = -1.0;
    std::int64_t count = -1;
    const View sum_view{{&sum, {1}, {1}, DType::F64}}, count_view{{&count, {1}, {1}, DType::I64}};
    reference::count_nonfinite(on_reference, count_view, x);
    CHECK(count == 3);
    reference::sum_of_squares(on_reference, sum_view, x.seen_as({2}, {1}));
    CHECK(sum == 25.0);
    reference::sum_of_squares(on_reference, sum_view, Array<TestType>({0}));
    CHECK(sum == 0.0);
}
