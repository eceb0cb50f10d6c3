#include "data/sampler.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <string>

#include "core/error.h"
#include "kernels/include/philox.h"

namespace fovea {
namespace {

// Sites of the shuffle stream: 0 orders an epoch; 1 chooses the share of samples without regard to
// class, 2 + c that of class c.
constexpr std::uint32_t kOrderSite = 0, kChooseSite = 1;

}  // namespace

std::vector<std::int64_t> permutation(std::int64_t n, std::uint64_t seed, std::uint32_t site,
                                      std::uint32_t step) {
    std::vector<std::int64_t> p(static_cast<std::size_t>(n));
    std::iota(p.begin(), p.end(), std::int64_t{0});
    const RandomSite random{seed, RandomStream::Shuffle, site, step};
    for (std::uint64_t i = p.size(); i-- > 1;) {
        const std::uint64_t other = std::uint64_t{random.bits_of(i)} * (i + 1) >> 32;  // 0 ... i
        std::swap(p[i], p[other]);
    }
    return p;
}

std::vector<std::int64_t> choose_fraction(const Dataset& data, double fraction, bool stratified,
                                          std::uint64_t seed) {
    if (!(fraction > 0.0 && fraction <= 1.0))
        throw Error("C03", "train fraction is " + std::to_string(fraction), "--train-fraction",
                    "a number above 0, at most 1");
    std::map<std::int64_t, std::vector<std::int64_t>> groups;
    for (std::int64_t i = 0; i < data.size(); ++i)
        groups[stratified ? data.label(i) : kNoLabel].push_back(i);
    std::vector<std::int64_t> chosen;
    for (const auto& [label, members] : groups) {
        const auto n = static_cast<std::int64_t>(members.size());
        const auto take =
            std::max<std::int64_t>(1, std::llround(fraction * static_cast<double>(n)));
        const auto site = kChooseSite + static_cast<std::uint32_t>(label - kNoLabel);
        const auto p = permutation(n, seed, site, 0);
        for (std::int64_t k = 0; k < take; ++k)
            chosen.push_back(members[static_cast<std::size_t>(p[static_cast<std::size_t>(k)])]);
    }
    std::sort(chosen.begin(), chosen.end());
    return chosen;
}

Sampler::Sampler(const Dataset& data, const SamplerOptions& options)
    : options_(options),
      chosen_(choose_fraction(data, options.fraction, options.stratified, options.seed)) {}

std::vector<std::int64_t> Sampler::order(std::int64_t epoch) const {
    if (!options_.shuffle) return chosen_;
    auto p = permutation(size(), options_.seed, kOrderSite, static_cast<std::uint32_t>(epoch));
    for (std::int64_t& i : p) i = chosen_[static_cast<std::size_t>(i)];
    return p;
}

}  // namespace fovea
