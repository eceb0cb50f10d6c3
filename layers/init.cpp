#include "layers/init.h"

#include <cmath>
#include <numbers>
#include <vector>

namespace fovea::init {

RandomSite site_of(std::uint64_t seed, const std::string& name) {
    return {seed, RandomStream::Init, path_hash(name), 0};
}

void truncated_normal(const Tensor& t, double std, const RandomSite& site, double limit) {
    std::vector<double> values(static_cast<std::size_t>(t.numel()));
    for (std::size_t i = 0; i < values.size(); ++i) {
        // Box-Muller on two lanes of the element's own block; a redraw takes the next `step`.
        RandomSite draw = site;
        do {
            const Philox4 bits = draw.bits(i);
            const double u1 = 1.0 - to_unit(bits.v[0]), u2 = to_unit(bits.v[1]);
            values[i] =
                std * std::sqrt(-2.0 * std::log(u1)) * std::cos(2.0 * std::numbers::pi * u2);
            ++draw.step;
        } while (std::abs(values[i]) > limit);
    }
    t.copy_from(Tensor::from(values, t.shape(), DType::F64, Device::reference()));
}

void uniform(const Tensor& t, double bound, const RandomSite& site) {
    std::vector<double> values(static_cast<std::size_t>(t.numel()));
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = bound * (2.0 * site.unit(i) - 1.0);
    t.copy_from(Tensor::from(values, t.shape(), DType::F64, Device::reference()));
}

double default_bound(const Tensor& weight) {
    const std::int64_t fan_in = weight.numel() / weight.size(0);
    return 1.0 / std::sqrt(static_cast<double>(fan_in));
}

}  // namespace fovea::init
