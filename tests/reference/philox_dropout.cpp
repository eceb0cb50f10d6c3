// Philox against the known answers of its authors; dropout and drop-path against their definition.
#include <catch2/catch.hpp>

#include "kernels/include/dropout.h"
#include "tests/reference/array.h"

using namespace fovea;
using namespace fovea::tests;
namespace reference = fovea::kernels::reference;

TEST_CASE("Philox gives the published numbers", "[reference]") {
    const auto check = [](const Philox4& got, const Philox4& want) {
        for (int lane = 0; lane < 4; ++lane) CHECK(got.v[lane] == want.v[lane]);
    };
    check(philox({{0, 0, 0, 0}}, 0, 0), {{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}});
    const std::uint32_t ones = 0xffffffff;
    check(philox({{ones, ones, ones, ones}}, ones, ones),
          {{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}});
    check(philox({{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}}, 0xa4093822, 0x299f31d0),
          {{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}});
}

TEST_CASE("A random site spreads seed, stream, site, step and element over key and counter",
          "[reference]") {
    const RandomSite site{0x1122334455667788, RandomStream::Augment, 5, 6};
    const std::uint64_t element = 0x123456789ABCDEF3;
    const Philox4 block = philox({{0x26AF37BC, 0x048D159E, 5, 6}}, 0x55667788, 0x11223344 ^ 4);
    CHECK(site.bits_of(element) == block.v[3]);
    CHECK(to_unit(0xffffffff) < 1.0f);
    CHECK(to_unit(0x000001ff) == 0x1p-24f);
}

TEMPLATE_TEST_CASE("Dropout keeps x / (1 - p) where the unit number is at least p", "[reference]",
                   float, double) {
    const RandomSite site{7, RandomStream::Dropout, 2, 3};
    for (const std::int64_t n : {0, 1, 31, 1000}) {
        const auto x = Array<TestType>::random({n}, 1);
        Array<TestType> y({n});
        reference::dropout(on_reference, y, x, 0.3, site);
        std::vector<double> want;
        for (std::int64_t i = 0; i < n; ++i)
            want.push_back(site.unit(static_cast<std::uint64_t>(i)) >= 0.3 ? x[i] / 0.7 : 0.0);
        CHECK(error(y, want) < tolerance<TestType>);
        if (n == 1000) {
            const auto dropped = std::count(want.begin(), want.end(), 0.0);
            CHECK(std::abs(static_cast<double>(dropped) - 300.0) < 60.0);  // four deviations
        }
    }
}

TEST_CASE("Drop-path keeps or drops whole samples, with and without a residual", "[reference]") {
    const RandomSite site{7, RandomStream::Dropout, 9, 1};
    const Shape shape{16, 3, 5};
    const auto x = Array<double>::random(shape, 1), residual = Array<double>::random(shape, 2);
    Array<double> with(shape), without(shape);
    reference::drop_path(on_reference, with, x, residual, 0.5, site);
    reference::drop_path(on_reference, without, x, CView(), 0.5, site);

    std::vector<double> sum, branch;
    int kept = 0;
    for (std::int64_t i = 0; i < x.size(); ++i) {
        const bool keep = site.unit(static_cast<std::uint64_t>(i / 15)) >= 0.5;
        kept += keep ? 1 : 0;
        branch.push_back(keep ? x[i] * 2.0 : 0.0);
        sum.push_back(residual[i] + branch.back());
    }
    REQUIRE((kept > 0 && kept < 240));
    CHECK(error(without, branch) < 1e-15);
    CHECK(error(with, sum) < 1e-15);

    Array<double> nothing({0, 3});
    reference::drop_path(on_reference, nothing, nothing, CView(), 0.5, site);
    CHECK(nothing.intact());
}
