// The order of an epoch and the share of the data are functions of the seed.
#include "data/sampler.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <numeric>

#include "core/error.h"

using namespace fovea;

namespace {

/// 1000 samples: class 0 has 700, class 1 has 290, class 2 has 10.
MemoryDataset uneven() {
    std::vector<std::int64_t> labels(700, 0);
    labels.insert(labels.end(), 290, 1);
    labels.insert(labels.end(), 10, 2);
    return MemoryDataset({"uneven", {"a", "b", "c"}, 1, 1, 1}, std::vector<std::uint8_t>(1000, 0),
                         labels);
}

std::vector<std::int64_t> sorted(std::vector<std::int64_t> v) {
    std::sort(v.begin(), v.end());
    return v;
}

}  // namespace

TEST_CASE("sampler: every epoch is another permutation, the same for the same seed") {
    const auto data = uneven();
    std::vector<std::int64_t> all(1000);
    std::iota(all.begin(), all.end(), 0);
    const Sampler sampler(data, {});
    for (int epoch = 0; epoch < 4; ++epoch) {
        CHECK(sorted(sampler.order(epoch)) == all);
        CHECK(sampler.order(epoch) == Sampler(data, {}).order(epoch));
        CHECK(sampler.order(epoch) != all);
        CHECK(sampler.order(epoch) != sampler.order(epoch + 1));
    }
    SamplerOptions other;
    other.seed = 43;
    CHECK(Sampler(data, other).order(0) != sampler.order(0));
    other.shuffle = false;
    CHECK(Sampler(data, other).order(3) == all);
}

TEST_CASE("sampler: the shuffle has no favourites") {
    // 6 orders of 3 things, 6000 times: each about 1000 times (5 standard deviations are 145).
    std::vector<int> count(27, 0);
    for (std::uint32_t step = 0; step < 6000; ++step) {
        const auto p = permutation(3, 1, 0, step);
        ++count[static_cast<std::size_t>(p[0] * 9 + p[1] * 3 + p[2])];
    }
    CHECK(std::count_if(count.begin(), count.end(), [](int n) { return n > 0; }) == 6);
    for (const int n : count)
        if (n > 0) CHECK(std::abs(n - 1000) < 145);
    CHECK(permutation(0, 1, 0, 0).empty());
    CHECK(permutation(1, 1, 0, 0) == std::vector<std::int64_t>{0});
}

TEST_CASE("sampler: a share is stratified, nested and fixed by the seed") {
    const auto data = uneven();
    const auto tenth = choose_fraction(data, 0.1, true, 7);
    const auto third = choose_fraction(data, 0.3, true, 7);
    const auto labels_of = [&](const std::vector<std::int64_t>& chosen, std::int64_t label) {
        return std::count_if(chosen.begin(), chosen.end(),
                             [&](auto i) { return data.label(i) == label; });
    };
    CHECK(labels_of(tenth, 0) == 70);
    CHECK(labels_of(tenth, 1) == 29);
    CHECK(labels_of(tenth, 2) == 1);
    CHECK(std::includes(third.begin(), third.end(), tenth.begin(), tenth.end()));
    CHECK(tenth == choose_fraction(data, 0.1, true, 7));
    CHECK(tenth != choose_fraction(data, 0.1, true, 8));
    CHECK(choose_fraction(data, 0.1, false, 7).size() == 100);
    CHECK(labels_of(choose_fraction(data, 0.001, true, 7), 2) == 1);

    SamplerOptions options;
    options.fraction = 0.1;
    options.seed = 7;
    const Sampler sampler(data, options);
    CHECK(sorted(sampler.order(0)) == tenth);
    CHECK(sorted(sampler.order(5)) == tenth);
    CHECK(sampler.order(0) != sampler.order(5));
    for (const double wrong : {0.0, -0.5, 1.1}) {
        options.fraction = wrong;
        CHECK_THROWS_AS(Sampler(data, options), Error);
    }
}
