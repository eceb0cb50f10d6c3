// Pooling against windows cut from a padded map; resampling against weights worked out by hand.
#include <catch2/catch.hpp>

#include "kernels/include/pool.h"
#include "kernels/include/resize.h"
#include "tests/reference/array.h"

using namespace fovea;
using namespace fovea::tests;
namespace reference = fovea::kernels::reference;

namespace {

using Index = std::int64_t;

/// A 1-D row of pixels as an image [1,1,n,1].
Array<double> row(const std::vector<double>& values) {
    return {{1, 1, static_cast<Index>(values.size()), 1}, values};
}

PoolParams along_row(Index kernel, Index stride, Index padding, bool ceil_mode, bool count) {
    return {{1, kernel}, {1, stride}, {0, padding}, ceil_mode, count};
}

View index_view(std::vector<std::int32_t>& index, const Shape& shape) {
    return View{{index.data(), shape, contiguous_strides(shape), DType::I32}};
}

std::vector<double> resized(const std::vector<double>& values, Index n,
                            const ResizeParams& params) {
    Array<double> y({1, 1, n, 1});
    reference::resize_forward(on_reference, y, row(values), params);
    return {&y[0], &y[0] + n};
}

void check_close(const std::vector<double>& got, const std::vector<double>& want) {
    REQUIRE(got.size() == want.size());
    for (std::size_t i = 0; i < got.size(); ++i) CHECK(got[i] == Approx(want[i]).margin(1e-14));
}

}  // namespace

TEMPLATE_TEST_CASE("Max pooling over a map padded with -infinity", "[reference]", float, double) {
    const bool ceil_mode = GENERATE(false, true);
    const PoolParams p{{3, 2}, {2, 1}, {1, 1}, ceil_mode, true};
    const Index N = 2, H = 8, W = 7, C = 3, P = p.out(0, H), Q = p.out(1, W);
    CHECK(P == (ceil_mode ? 5 : 4));
    auto x = Array<TestType>::random({N, H, W, C}, 1);
    for (Index i = 0; i < x.size(); ++i) x[i] -= 5;  // all negative: zero padding would win
    const Shape out{N, P, Q, C};
    Array<TestType> y(out), dx(x.shape);
    const auto dy = Array<TestType>::random(out, 2);
    std::vector<std::int32_t> index(static_cast<std::size_t>(y.size()), -1);
    reference::max_pool_forward(on_reference, y, index_view(index, out), x, p);

    std::vector<double> want, dx_want(static_cast<std::size_t>(x.size()), 0.0);
    for (Index i = 0; i < y.size(); ++i) {
        const Index c = i % C, q = i / C % Q, r = i / C / Q % P, n = i / C / Q / P;
        double best = -infinity;
        Index source = 0;
        for (Index k = 0; k < 6; ++k) {
            const Index h = r * 2 - 1 + k / 2, w = q - 1 + k % 2;
            const bool inside = h >= 0 && h < H && w >= 0 && w < W;
            if (inside && x[((n * H + h) * W + w) * C + c] > best) {
                best = x[((n * H + h) * W + w) * C + c];
                source = h * W + w;
            }
        }
        want.push_back(best);
        CHECK(index[static_cast<std::size_t>(i)] == source);
        dx_want[static_cast<std::size_t>((n * H * W + source) * C + c)] += dy[i];
    }
    CHECK(error(y, want) == 0.0);
    reference::max_pool_backward(on_reference, dx, dy, index_view(index, out), p);
    CHECK(error(dx, dx_want) < tolerance<TestType>);
}

TEST_CASE("Max pooling: first of ties, NaN wins, no index wanted", "[reference]") {
    Array<double> y({1, 1, 5, 1});
    std::vector<std::int32_t> index(5, -1);
    const auto x = row({2, 2, 1, not_a_number, not_a_number, 9, -infinity});
    reference::max_pool_forward(on_reference, y, index_view(index, y.shape), x,
                                along_row(3, 1, 0, false, true));
    CHECK(y[0] == 2.0);
    CHECK(index == std::vector<std::int32_t>{0, 3, 3, 3, 4});
    CHECK((std::isnan(y[1]) && std::isnan(y[2]) && std::isnan(y[3]) && std::isnan(y[4])));
    Array<double> last({1, 1, 1, 1});
    reference::max_pool_forward(on_reference, last, View(), row({-infinity}),
                                along_row(1, 1, 0, false, true));
    CHECK(last[0] == -infinity);
}

TEST_CASE("Average pooling divides as PyTorch does", "[reference]") {
    // Windows of 3 from -1, 1 and 3 on a row of 4 with one pixel of padding: the last one is cut
    // by the end of the right padding.
    const auto x = row({1, 2, 4, 8});
    Array<double> y({1, 1, 3, 1});
    REQUIRE(along_row(3, 2, 1, true, true).out(1, 4) == 3);
    reference::avg_pool_forward(on_reference, y, x, along_row(3, 2, 1, true, true));
    CHECK(error(y, {3.0 / 3, 14.0 / 3, 8.0 / 2}) < 1e-15);
    reference::avg_pool_forward(on_reference, y, x, along_row(3, 2, 1, true, false));
    CHECK(error(y, {3.0 / 2, 14.0 / 3, 8.0 / 1}) < 1e-15);

    Array<double> dx({1, 1, 4, 1});
    reference::avg_pool_backward(on_reference, dx, row({6, 12, 4}), along_row(3, 2, 1, true, true));
    CHECK(error(dx, {2, 2 + 4, 4, 4 + 2}) < 1e-15);
}

TEST_CASE("Adaptive average pooling covers all pixels, shrinking and growing", "[reference]") {
    Array<double> y({1, 1, 3, 1}), dx({1, 1, 5, 1}), grown({1, 1, 4, 1});
    reference::adaptive_avg_pool_forward(on_reference, y, row({1, 2, 3, 4, 5}));
    CHECK(error(y, {1.5, 3, 4.5}) < 1e-15);  // [0,2) [1,4) [3,5)
    reference::adaptive_avg_pool_backward(on_reference, dx, row({2, 3, 4}));
    CHECK(error(dx, {1, 1 + 1, 1, 1 + 2, 2}) < 1e-15);
    reference::adaptive_avg_pool_forward(on_reference, grown, row({1, 2, 3}));
    CHECK(error(grown, {1, 1.5, 2.5, 3}) < 1e-15);  // [0,1) [0,2) [1,3) [2,3)
}

TEST_CASE("Resampling weights by hand", "[reference]") {
    const double a = 1, b = 5;
    const ResizeParams half{Interpolation::Bilinear}, corners{Interpolation::Bilinear, true};
    check_close(resized({a, b}, 4, half), {a, .75 * a + .25 * b, .25 * a + .75 * b, b});
    check_close(resized({a, b}, 4, corners), {a, (2 * a + b) / 3, (a + 2 * b) / 3, b});
    check_close(resized({a, b}, 1, corners), {a});
    check_close(resized({1, 2, 3, 4, 5}, 3, {Interpolation::Nearest}), {1, 2, 4});

    // Cubic weights a quarter of the way between two pixels, with a = -0.75.
    const ResizeParams cubic{Interpolation::Bicubic};
    const auto doubled = resized({1, 10, 100, 1000}, 8, cubic);
    const double outer = -0.10546875, near = 0.87890625, far = 0.26171875, edge = -0.03515625;
    check_close({doubled[0], doubled[3], doubled[4]},  // positions -1/4, 1 1/4 and 1 3/4
                {edge + far + near + outer * 10, outer + near * 10 + far * 100 + edge * 1000,
                 edge + far * 10 + near * 100 + outer * 1000});
    check_close(resized({1, 2, 3, 4}, 4, cubic), {1, 2, 3, 4});

    // Halving with antialias: a triangle of half-width 2 around 1 and 3, cut at the ends.
    const ResizeParams smooth{Interpolation::Bilinear, false, true};
    check_close(resized({1, 2, 3, 4}, 2, smooth),
                {(3 * 1 + 3 * 2 + 1 * 3) / 7.0, (1 * 2 + 3 * 3 + 3 * 4) / 7.0});
}

TEMPLATE_TEST_CASE("Resampling keeps constants, and its backward is the transpose", "[reference]",
                   float, double) {
    const auto mode =
        GENERATE(Interpolation::Nearest, Interpolation::Bilinear, Interpolation::Bicubic);
    const bool corners = GENERATE(false, true), antialias = GENERATE(false, true);
    if (mode == Interpolation::Nearest && (corners || antialias)) return;
    const ResizeParams params{mode, corners, antialias};
    for (const Shape& out :
         {Shape{2, 3, 4, 3}, Shape{2, 9, 17, 3}, Shape{2, 1, 1, 3}, Shape{2, 0, 4, 3}}) {
        const Shape in{2, 7, 5, 3};
        CAPTURE(static_cast<int>(mode), corners, antialias, out[1]);
        Array<TestType> ones(in, std::vector<double>(210, 1.0)), y(out), dx(in);
        reference::resize_forward(on_reference, y, ones, params);
        CHECK(error(y, std::vector<double>(static_cast<std::size_t>(y.size()), 1.0)) <
              tolerance<TestType>);

        const auto x = Array<TestType>::random(in, 1), dy = Array<TestType>::random(out, 2);
        reference::resize_forward(on_reference, y, x, params);
        reference::resize_backward(on_reference, dx, dy, params);
        CHECK(std::abs(dot(y, dy) - dot(x, dx)) < 100 * tolerance<TestType>);
        CHECK(dx.intact());
    }
}
