// Initial weights: each tensor independent of all others; a CvT's have Microsoft's distributions.
#include <catch2/catch.hpp>
#include <cmath>
#include <map>

#include "models/weights.h"
#include "tests/models/sample.h"

using namespace fovea;

namespace {

using Values = std::map<std::string, std::vector<double>>;

Values values_of(const char* name, std::uint64_t seed, std::int64_t classes = 10) {
    ModelOptions options;
    options.num_classes = classes;
    const auto model = make_model(name, options);
    model->initialise(seed);
    Values values;
    for (const StateTensor& t : state_of(*model)) values[t.name] = t.value.to_vector();
    return values;
}

bool ends_with(const std::string& text, const std::string& end) {
    return text.size() >= end.size() &&
           text.compare(text.size() - end.size(), end.size(), end) == 0;
}

double deviation(const std::vector<double>& values) {
    double squares = 0.0;
    for (const double v : values) squares += v * v;
    return std::sqrt(squares / static_cast<double>(values.size()));
}

double largest(const std::vector<double>& values) {
    double out = 0.0;
    for (const double v : values) out = std::max(out, std::abs(v));
    return out;
}

/// Share of the standard deviation that n draws may miss it by: five standard errors.
double slack(std::size_t n) { return 5.0 / std::sqrt(2.0 * static_cast<double>(n)); }

}  // namespace

TEST_CASE("distributions") {
    const Values values = values_of("cvt_28", 42);
    const double conv_bound = 1.0 / std::sqrt(9.0);
    for (const auto& [name, v] : values) {
        CAPTURE(name);
        const bool is_conv = ends_with(name, "conv.weight"),
                   is_embed = name.find("patch_embed.proj") != std::string::npos;
        const bool is_norm =
            name.find("norm") != std::string::npos || name.find(".bn.") != std::string::npos;
        if (is_conv) {
            CHECK(largest(v) <= conv_bound);
            CHECK(deviation(v) == Approx(conv_bound / std::sqrt(3.0)).epsilon(slack(v.size())));
        } else if (is_embed) {
            const double bound =
                name[5] == '0' ? 1.0 / 5.0 : 1.0 / std::sqrt(9.0 * (name[5] == '1' ? 32 : 64));
            CHECK(largest(v) <= bound);
            CHECK(largest(v) > 0.5 * bound);
        } else if (is_norm) {
            const bool ones = ends_with(name, "weight") || ends_with(name, "running_var");
            CHECK(v == std::vector<double>(v.size(), ones ? 1.0 : 0.0));
        } else if (name == "head.bias") {  // Microsoft leaves it as PyTorch makes it
            CHECK(largest(v) > 0.0);
            CHECK(largest(v) <= 1.0 / std::sqrt(96.0));
        } else if (ends_with(name, ".bias")) {
            CHECK(largest(v) == 0.0);
        } else {
            CHECK(deviation(v) == Approx(0.02).epsilon(slack(v.size())));
        }
    }
}

TEST_CASE("a tensor's values depend on seed, name and shape, on nothing else in the model") {
    for (const test::Small& small : test::kSmall) {
        CAPTURE(small.name);
        const Values a = values_of(small.name, 1), again = values_of(small.name, 1);
        CHECK(a == again);
        const Values other_seed = values_of(small.name, 2),
                     other_head = values_of(small.name, 1, 7);
        for (const auto& [name, v] : a) {
            CAPTURE(name);
            const bool constant = largest(v) == 0.0 || v == std::vector<double>(v.size(), 1.0);
            CHECK((other_seed.at(name) == v) == constant);
            if (other_head.at(name).size() == v.size()) CHECK(other_head.at(name) == v);
        }
    }
}

TEST_CASE("a deeper CvT begins with the same blocks") {
    const Values a = values_of("cvt_tiny", 1);
    CHECK(a.at("stage2.blocks.0.mlp.fc1.weight") != a.at("stage2.blocks.1.mlp.fc1.weight"));
    CvtConfig config = *cvt_preset("cvt_tiny");
    config.stages[2].depth = 5;
    Cvt deeper(config);
    deeper.initialise(1);
    int compared = 0;
    for (const StateTensor& t : state_of(deeper))
        if (a.count(t.name) == 1) compared += t.value.to_vector() == a.at(t.name);
    CHECK(compared == static_cast<int>(a.size()));
}
