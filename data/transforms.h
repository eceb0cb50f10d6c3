// Transform: an 8-bit picture becomes the normalised floats that a model reads, with augmentation
// in training.
//
// Augmentation is a function of (seed, epoch, sample) alone: every decision has its own element of
// RandomSite{seed, Augment, site = sample, step = epoch} (kernels/include/philox.h), whatever else
// is switched on and whichever thread asks.
//
//   element          decision
//   0, 1             pad-crop: row, column
//   2                horizontal flip
//   3                random erasing: erase at all
//   16 + 4 t + 0..3  random resized crop, attempt t = 0..9: area, ratio, row, column
//   64 + 4 t + 0..3  random erasing, attempt t = 0..9: area, ratio, row, column
//   2^20 + e         random erasing, pixel noise of element e of [H,W,C]; pairs (2k, 2k + 1) share a
//                    Box-Muller transform
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "data/image_ops.h"
#include "kernels/include/philox.h"

namespace fovea {

enum class Fit : unsigned char {
    Warp,        ///< resize to height x width, whatever the aspect
    CenterCrop,  ///< resize the shorter side, cut out the middle
};
enum class Erase : unsigned char { Zero, Noise };  ///< after normalisation: 0, or N(0, 1) per value

struct TransformOptions {
    int height = 28, width = 28, channels = 1;  ///< what the model reads
    std::vector<float> mean{0.5f}, std{0.5f};   ///< of values in [0, 1]; one, or one per channel
    Fit fit = Fit::Warp;
    int shorter_side = 0;  ///< with CenterCrop: size before the cut; 0: the larger of height, width
    ResizeFilter filter = ResizeFilter::Bilinear;

    // In training only.
    bool random_resized_crop = false;  ///< instead of `fit`: area [crop_area, 1], ratio [3/4, 4/3]
    double crop_area = 0.08;
    int pad_crop = 0;    ///< border of zeros in pixels, then a random height x width window
    double flip = 0.0;   ///< probability of mirroring left to right
    double erase = 0.0;  ///< probability of erasing a box (Zhong et al. 2017; as timm)
    Erase erase_fill = Erase::Zero;
};

class Transform {
public:
    /// Error C03: an option outside its range.
    Transform(const TransformOptions& options, bool training, std::uint64_t seed);

    const TransformOptions& options() const { return options_; }
    std::size_t values() const;  ///< height * width * channels

    /// out [height, width, channels] float32 = (pixel / 255 - mean) / std. Safe from many threads.
    void apply(const ImageView& image, std::int64_t sample, std::int64_t epoch, float* out) const;

private:
    Image resized_crop(const ImageView& image, const RandomSite& random) const;
    void write(const ImageView& image, int top, int left, bool flip, float* out) const;
    void erase(const RandomSite& random, float* out) const;

    TransformOptions options_;
    bool training_;
    std::uint64_t seed_;
    std::vector<std::array<float, 256>> table_;  // (channels): pixel -> normalised value
};

}  // namespace fovea
