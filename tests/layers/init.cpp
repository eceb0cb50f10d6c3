// Initial values: their distribution, and that they depend on nothing but seed, name and shape.
#include "layers/init.h"

#include <catch2/catch.hpp>
#include <cmath>

using namespace fovea;

namespace {

struct Moments {
    double mean = 0.0, std = 0.0, smallest = 0.0, largest = 0.0;
};

Moments moments(const Tensor& t) {
    Moments m;
    const std::vector<double> values = t.to_vector();
    const auto n = static_cast<double>(values.size());
    m.smallest = m.largest = values[0];
    for (const double v : values) {
        m.mean += v / n;
        m.smallest = std::min(m.smallest, v);
        m.largest = std::max(m.largest, v);
    }
    for (const double v : values) m.std += (v - m.mean) * (v - m.mean) / n;
    m.std = std::sqrt(m.std);
    return m;
}

}  // namespace

TEST_CASE("truncated normal") {
    const Tensor t = Tensor::zeros({100, 1000});
    init::truncated_normal(t, 0.02, init::site_of(42, "head.weight"));
    const Moments m = moments(t);
    // Five standard errors of 100,000 draws.
    CHECK(std::abs(m.mean) < 5 * 0.02 / std::sqrt(1e5));
    CHECK(m.std == Approx(0.02).epsilon(5 / std::sqrt(2e5)));
    CHECK(m.largest > 0.07);  // 3.5 sigma: not cut at two sigma
    CHECK(m.smallest < -0.07);
    double beyond = 0;
    for (const double v : t.to_vector()) beyond += std::abs(v) > 0.04;
    CHECK(beyond / 1e5 == Approx(0.0455).epsilon(0.08));

    const Tensor cut = Tensor::zeros({10000});
    init::truncated_normal(cut, 1.0, init::site_of(42, "x"), 0.5);
    const Moments c = moments(cut);
    CHECK(c.smallest >= -0.5);
    CHECK(c.largest <= 0.5);
    CHECK(c.std == Approx(0.2842).epsilon(0.03));  // of a normal cut at half a sigma
}

TEST_CASE("uniform within PyTorch's bound") {
    const Tensor weight = Tensor::zeros({64, 3, 3, 32});
    const double bound = init::default_bound(weight);
    CHECK(bound == Approx(1.0 / std::sqrt(3 * 3 * 32)));
    init::uniform(weight, bound, init::site_of(7, "conv.weight"));
    const Moments m = moments(weight);
    CHECK(m.smallest >= -bound);
    CHECK(m.smallest < -0.999 * bound);
    CHECK(m.largest < bound);
    CHECK(m.largest > 0.999 * bound);
    CHECK(std::abs(m.mean) < 5 * bound / std::sqrt(3.0 * 18432));
    CHECK(m.std == Approx(bound / std::sqrt(3.0)).epsilon(0.02));
}

TEST_CASE("values are a function of seed and name, and a longer tensor begins as a shorter one") {
    const auto draw = [](std::uint64_t seed, const char* name, std::int64_t n, DType dtype) {
        const Tensor t =
            Tensor::zeros({n}, dtype, dtype == DType::F64 ? Device::reference() : Device::cpu());
        init::truncated_normal(t, 0.02, init::site_of(seed, name));
        return t.to_vector();
    };
    const auto a = draw(1, "a.weight", 100, DType::F32);
    CHECK(draw(1, "a.weight", 100, DType::F32) == a);
    CHECK(draw(2, "a.weight", 100, DType::F32) != a);
    CHECK(draw(1, "b.weight", 100, DType::F32) != a);
    auto longer = draw(1, "a.weight", 150, DType::F32);
    longer.resize(100);
    CHECK(longer == a);
    const auto exact = draw(1, "a.weight", 100, DType::F64);
    for (std::size_t i = 0; i < a.size(); ++i) CHECK(static_cast<float>(exact[i]) == a[i]);
}
