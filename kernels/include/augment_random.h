// The random decisions of augmentation, shared by the transforms of the data loader and by the kernel
// that works on whole batches, so that a sample looks the same whoever prepares it.
//
// A sample has RandomSite{seed, Augment, site = sample, step = epoch}; every decision has elements of
// its own there, listed in data/transforms.h. Four neighbouring elements are one Philox block.
#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/include/philox.h"

namespace fovea::augment {

/// Uniform in 0 ... n - 1.
FOVEA_HOST_DEVICE inline int uniform_int(std::uint32_t bits, int n) {
    return static_cast<int>(std::uint64_t{bits} * static_cast<std::uint64_t>(n) >> 32);
}

FOVEA_HOST_DEVICE inline double uniform(std::uint32_t bits, double low, double high) {
    return low + (high - low) * static_cast<double>(to_unit(bits));
}

/// Elements 0 to 3: pad-crop, flip, erase.
struct Choices {
    int top, left;  ///< of the window, relative to the picture
    bool flip, erase;
};

FOVEA_HOST_DEVICE inline Choices choose(const RandomSite& random, int pad_crop, double flip,
                                        double erase) {
    const Philox4 r = random.bits(0);
    const int places = 2 * pad_crop + 1;
    return {uniform_int(r.v[0], places) - pad_crop, uniform_int(r.v[1], places) - pad_crop,
            static_cast<double>(to_unit(r.v[2])) < flip,
            static_cast<double>(to_unit(r.v[3])) < erase};
}

struct Box {
    int top = 0, left = 0, height = 0, width = 0;

    FOVEA_HOST_DEVICE bool contains(int row, int column) const {
        // Unsigned: what lies before the box is far behind it.
        return static_cast<unsigned>(row - top) < static_cast<unsigned>(height) &&
               static_cast<unsigned>(column - left) < static_cast<unsigned>(width);
    }
};

/// A box of random area (a share of the whole) and log-uniform ratio; its side along `ratio` is rows
/// for erasing and columns for crops.
struct BoxRule {
    std::uint64_t first_block;  ///< of attempt 0: a quarter of its first element
    double area_low, area_high, log_ratio_low, log_ratio_high;
    bool ratio_is_rows;
    int most_height, most_width;  ///< inclusive
};

inline constexpr int kAttempts = 10;

/// Attempt number `attempt` to place a box in a picture: false if it is too large.
FOVEA_HOST_DEVICE inline bool try_box(const RandomSite& random, const BoxRule& rule, int attempt,
                                      int height, int width, Box& box) {
    const Philox4 r = random.bits(rule.first_block + static_cast<unsigned>(attempt));
    const double area = uniform(r.v[0], rule.area_low, rule.area_high) * height * width;
    const double ratio = std::exp(uniform(r.v[1], rule.log_ratio_low, rule.log_ratio_high));
    const double longer = std::sqrt(area * ratio), other = std::sqrt(area / ratio);
    const int h = static_cast<int>(std::nearbyint(rule.ratio_is_rows ? longer : other));
    const int w = static_cast<int>(std::nearbyint(rule.ratio_is_rows ? other : longer));
    if (h < 1 || w < 1 || h > rule.most_height || w > rule.most_width) return false;
    box = {uniform_int(r.v[2], height - h + 1), uniform_int(r.v[3], width - w + 1), h, w};
    return true;
}

/// The first attempt that fits.
inline bool random_box(const RandomSite& random, const BoxRule& rule, int height, int width,
                       Box& box) {
    for (int attempt = 0; attempt < kAttempts; ++attempt)
        if (try_box(random, rule, attempt, height, width, box)) return true;
    return false;
}

/// Random erasing (Zhong et al. 2017; numbers as in timm); the box is smaller than the picture on both
/// sides. Elements 64 + 4 attempt + 0..3.
inline BoxRule erase_rule(int height, int width) {
    return {16, 0.02, 1.0 / 3.0, std::log(0.3), std::log(1.0 / 0.3), true, height - 1, width - 1};
}

/// First element of the pixel noise of random erasing.
inline constexpr std::uint64_t kNoise = std::uint64_t{1} << 20;

/// Pixel noise for element i of [H,W,C], N(0, 1): the pair (2k, 2k + 1) shares a Box-Muller transform.
inline float noise(const RandomSite& random, std::uint64_t i) {
    constexpr double kTwoPi = 6.283185307179586;
    const std::uint64_t pair = kNoise + i / 2 * 2;
    const Philox4 r = random.bits(pair / 4);
    const double radius = std::sqrt(-2.0 * std::log(1.0 - to_unit(r.v[pair % 4])));
    const double angle = kTwoPi * to_unit(r.v[pair % 4 + 1]);
    return static_cast<float>(radius * (i % 2 != 0 ? std::sin(angle) : std::cos(angle)));
}

}  // namespace fovea::augment
