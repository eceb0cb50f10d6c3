// Augmentation of a batch of 8-bit images on the device that trains.
#pragma once

#include "kernels/include/kernel.h"

namespace fovea {

/// As TransformOptions (data/transforms.h), whose results these are.
struct AugmentParams {
    std::uint64_t seed = 0;
    std::int64_t epoch = 0;
    int pad_crop = 0;    ///< border of zeros in pixels, then a random window
    double flip = 0.0;   ///< probability of mirroring left to right
    double erase = 0.0;  ///< probability of erasing a box
    bool noise = false;  ///< erased values: N(0, 1), else 0
    float mean[3] = {0.0F, 0.0F, 0.0F}, std[3] = {1.0F, 1.0F, 1.0F};  ///< by channel
};

namespace kernels {

/// y [B,H,W,C] = (pixel / 255 - mean) / std for a window of each image of x [B,H0,W0,C] (U8), black
/// outside it; C <= 3. samples [B] (I64): with the seed and the epoch, all that the random decisions
/// depend on (kernels/include/augment_random.h).
KERNEL(augment_images, View y, CView x, CView samples, const AugmentParams& params);

}  // namespace kernels
}  // namespace fovea
