// Convolution and pooling with windows that do not fit: errors, as in PyTorch.
#include <catch2/catch.hpp>

#include "core/error.h"
#include "core/ops/conv.h"
#include "core/ops/pool.h"

using namespace fovea;
using Catch::Matchers::Contains;

namespace {

/// Code and message of the Error that f throws; empty if it throws none.
template <class F>
std::string error_of(F f) {
    try {
        f();
    } catch (const Error& e) {
        return e.code() + " " + e.message();
    }
    return "";
}

Tensor map(std::int64_t rows, std::int64_t columns) { return Tensor::zeros({1, rows, columns, 2}); }

std::string pool_error(const Tensor& x, const PoolParams& params) {
    const std::string of_max = error_of([&] { ops::max_pool2d(x, params); });
    CHECK(of_max.empty() == error_of([&] { ops::avg_pool2d(x, params); }).empty());
    return of_max;
}

std::string conv_error(const Tensor& x, std::int64_t kernel, const ConvParams& params) {
    return error_of([&] {
        ops::conv2d(x, Tensor::zeros({3, kernel, kernel, 2}), Tensor(), params);
    });
}

}  // namespace

TEST_CASE("pooling: padding up to half of the kernel, positive kernel and stride", "[layers]") {
    CHECK(pool_error(map(5, 5), {{3, 3}, {2, 2}, {1, 1}, false, true}) == "");
    CHECK(pool_error(map(5, 5), {{2, 2}, {2, 2}, {1, 1}, false, true}) == "");
    CHECK_THAT(pool_error(map(5, 5), {{3, 3}, {2, 2}, {2, 1}, false, true}),
               Contains("B01 max_pool2d: padding") && Contains("half of the kernel"));
    CHECK_THAT(pool_error(map(5, 5), {{2, 3}, {2, 2}, {0, 2}, false, true}), Contains("half"));
    CHECK_THAT(pool_error(map(5, 5), {{2, 2}, {2, 2}, {-1, 0}, false, true}), Contains("padding"));
    CHECK_THAT(pool_error(map(5, 5), {{2, 2}, {0, 2}, {0, 0}, false, true}), Contains("stride"));
    CHECK_THAT(pool_error(map(5, 5), {{2, 0}, {2, 2}, {0, 0}, false, true}), Contains("kernel"));
}

TEST_CASE("pooling: a window larger than the map is an error, but for ceil_mode", "[layers]") {
    // Rounding towards zero would make (2 - 3) / 2 a window.
    CHECK_THAT(pool_error(map(2, 9), {{3, 3}, {2, 2}, {0, 0}, false, true}), Contains("smaller"));
    CHECK_THAT(pool_error(map(9, 2), {{3, 3}, {2, 2}, {0, 0}, false, true}), Contains("smaller"));
    CHECK(pool_error(map(2, 9), {{3, 3}, {2, 2}, {0, 0}, true, true}) == "");
    CHECK_THAT(pool_error(map(1, 9), {{3, 3}, {2, 2}, {0, 0}, true, true}), Contains("smaller"));
}

TEST_CASE("convolution: a kernel larger than the padded map is an error", "[layers]") {
    CHECK(conv_error(map(11, 11), 11, {{4, 4}, {0, 0}, {1, 1}, 1}) == "");
    CHECK_THAT(conv_error(map(10, 11), 11, {{4, 4}, {0, 0}, {1, 1}, 1}),
               Contains("B01 conv2d: the input is smaller"));
    CHECK(conv_error(map(7, 7), 11, {{4, 4}, {2, 2}, {1, 1}, 1}) == "");
    CHECK_THAT(conv_error(map(7, 6), 11, {{4, 4}, {2, 2}, {1, 1}, 1}), Contains("smaller"));
    CHECK_THAT(conv_error(map(4, 4), 3, {{1, 1}, {0, 0}, {2, 2}, 1}), Contains("smaller"));
    CHECK_THAT(conv_error(map(4, 4), 3, {{1, 0}, {0, 0}, {1, 1}, 1}), Contains("stride"));
    CHECK_THAT(conv_error(map(4, 4), 3, {{1, 1}, {0, -1}, {1, 1}, 1}), Contains("padding"));
}
