// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011): a
// counter-based generator, so a random number is a function of what it is for, never of who draws it.
#pragma once

#include <cstdint>

#if defined(__CUDACC__)
#define FOVEA_HOST_DEVICE __host__ __device__
#else
#define FOVEA_HOST_DEVICE
#endif

namespace fovea {

struct Philox4 {
    std::uint32_t v[4];
};

/// Ten rounds of Philox on a 128-bit counter with a 64-bit key.
FOVEA_HOST_DEVICE constexpr Philox4 philox(Philox4 counter, std::uint32_t key0,
                                           std::uint32_t key1) {
    for (int round = 0; round < 10; ++round) {
        const std::uint64_t p0 = std::uint64_t{0xD2511F53u} * counter.v[0];
        const std::uint64_t p1 = std::uint64_t{0xCD9E8D57u} * counter.v[2];
        counter = {{static_cast<std::uint32_t>(p1 >> 32) ^ counter.v[1] ^ key0,
                    static_cast<std::uint32_t>(p1),
                    static_cast<std::uint32_t>(p0 >> 32) ^ counter.v[3] ^ key1,
                    static_cast<std::uint32_t>(p0)}};
        key0 += 0x9E3779B9u;
        key1 += 0xBB67AE85u;
    }
    return counter;
}

/// Uniform in [0, 1) with 24 bits, exact in float.
FOVEA_HOST_DEVICE constexpr float to_unit(std::uint32_t u) {
    return static_cast<float>(u >> 8) * 0x1p-24f;
}

/// Streams of random numbers that never meet: the id is xored into the key's high half.
enum class RandomStream : std::uint32_t { Init = 1, Dropout = 2, Shuffle = 3, Augment = 4 };

/// One random op at one training step. Element e of its logical output uses lane e % 4 of
/// philox(counter = {e/4 low, e/4 high, site, step}, key = {seed low, seed high ^ stream}).
/// `site` is a stable number of the op in the module tree; data streams use (sample, epoch) for
/// (site, step).
struct RandomSite {
    std::uint64_t seed = 0;
    RandomStream stream = RandomStream::Dropout;
    std::uint32_t site = 0;
    std::uint32_t step = 0;

    /// Four 32-bit numbers for the elements 4*block ... 4*block + 3.
    FOVEA_HOST_DEVICE constexpr Philox4 bits(std::uint64_t block) const {
        return philox({{static_cast<std::uint32_t>(block), static_cast<std::uint32_t>(block >> 32),
                        site, step}},
                      static_cast<std::uint32_t>(seed),
                      static_cast<std::uint32_t>(seed >> 32) ^ static_cast<std::uint32_t>(stream));
    }
    /// 32 random bits of one element.
    FOVEA_HOST_DEVICE constexpr std::uint32_t bits_of(std::uint64_t element) const {
        return bits(element / 4).v[element % 4];
    }
    /// Uniform in [0, 1) for one element.
    FOVEA_HOST_DEVICE constexpr float unit(std::uint64_t element) const {
        return to_unit(bits_of(element));
    }
};

}  // namespace fovea
