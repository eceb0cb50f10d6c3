#include "layers/init.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

namespace fovea::init {
namespace {

/// t[i] = value(i), a piece at a time: as doubles at once, a large layer's weights would take gigabytes.
template <class F>
void fill_by_element(const Tensor& t, const F& value) {
    constexpr std::int64_t kPiece = 1 << 20;
    const Tensor flat = t.reshape({t.numel()});
    std::vector<double> values;
    for (std::int64_t begin = 0; begin < t.numel(); begin += kPiece) {
        const std::int64_t end = std::min(begin + kPiece, t.numel());
        values.clear();
        for (std::int64_t i = begin; i < end; ++i)
            values.push_back(value(static_cast<std::uint64_t>(i)));
        flat.slice(0, begin, end)
            .copy_from(Tensor::from(values, {end - begin}, DType::F64, Device::reference()));
    }
}

}  // namespace

RandomSite site_of(std::uint64_t seed, const std::string& name) {
    return {seed, RandomStream::Init, path_hash(name), 0};
}

void truncated_normal(const Tensor& t, double std, const RandomSite& site, double limit) {
    fill_by_element(t, [&](std::uint64_t i) {
        // Box-Muller on two lanes of the element's own block; a redraw takes the next `step`.
        RandomSite draw = site;
        double value = 0.0;
        do {
            const Philox4 bits = draw.bits(i);
            const double u1 = 1.0 - to_unit(bits.v[0]), u2 = to_unit(bits.v[1]);
            value = std * std::sqrt(-2.0 * std::log(u1)) * std::cos(2.0 * std::numbers::pi * u2);
            ++draw.step;
        } while (std::abs(value) > limit);
        return value;
    });
}

void uniform(const Tensor& t, double bound, const RandomSite& site) {
    Philox4 block;  // of four elements, as in RandomSite::unit
    fill_by_element(t, [&](std::uint64_t i) {
        if (i % 4 == 0) block = site.bits(i / 4);
        return bound * (2.0 * to_unit(block.v[i % 4]) - 1.0);
    });
}

double default_bound(const Tensor& weight) {
    const std::int64_t fan_in = weight.numel() / weight.size(0);
    return 1.0 / std::sqrt(static_cast<double>(fan_in));
}

void pytorch_default(const Parameter& weight, const Parameter& bias, std::uint64_t seed,
                     const std::string& name) {
    const double bound = default_bound(weight);
    uniform(weight, bound, site_of(seed, name + ".weight"));
    if (bias.value.defined()) uniform(bias, bound, site_of(seed, name + ".bias"));
}

void he_normal_fan_out(const Tensor& weight, const RandomSite& site) {
    const std::int64_t fan_out = weight.numel() / weight.size(3);
    truncated_normal(weight, std::sqrt(2.0 / static_cast<double>(fan_out)), site,
                     std::numeric_limits<double>::infinity());
}

}  // namespace fovea::init
