// Sampler: which samples an epoch visits, and in which order; a function of (seed, epoch).
#pragma once

#include <cstdint>
#include <vector>

#include "data/dataset.h"

namespace fovea {

struct SamplerOptions {
    bool shuffle = true;
    double fraction = 1.0;   ///< share of the samples that is used at all, (0, 1]
    bool stratified = true;  ///< the share is taken from every class (at least one sample of each)
    std::uint64_t seed = 42;
};

/// The numbers 0 ... n - 1 shuffled by Fisher and Yates with RandomSite{seed, Shuffle, site, step}:
/// the swap at position i draws element i.
std::vector<std::int64_t> permutation(std::int64_t n, std::uint64_t seed, std::uint32_t site,
                                      std::uint32_t step);

/// Sorted indices of a fixed random share of the samples. Shares are nested: what is in 1% is also
/// in 3%. Error C03: fraction outside (0, 1].
std::vector<std::int64_t> choose_fraction(const Dataset& data, double fraction, bool stratified,
                                          std::uint64_t seed);

class Sampler {
public:
    /// Error C03: fraction outside (0, 1].
    Sampler(const Dataset& data, const SamplerOptions& options);

    std::int64_t size() const { return static_cast<std::int64_t>(chosen_.size()); }
    /// Sample numbers in the order of this epoch.
    std::vector<std::int64_t> order(std::int64_t epoch) const;

private:
    SamplerOptions options_;
    std::vector<std::int64_t> chosen_;
};

}  // namespace fovea
