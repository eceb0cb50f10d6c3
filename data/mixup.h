// Mixup (Zhang et al. 2018) and CutMix (Yun et al. 2019) of a batch with its own reverse: sample b is
// mixed with sample B-1-b, as timm does in batch mode. The share `lam` or the box is given by the caller.
#pragma once

#include "core/tensor.h"

namespace fovea {

/// lam x + (1 - lam) flipped(x). images [B,H,W,C].
Tensor mixup_images(const Tensor& images, double lam);

/// A box of pixels, ends exclusive.
struct CutBox {
    std::int64_t top = 0, bottom = 0, left = 0, right = 0;

    /// Share of the image that stays: 1 - area of the box / area of the image. The targets' lam.
    double lam(std::int64_t height, std::int64_t width) const {
        return 1.0 - static_cast<double>((bottom - top) * (right - left)) /
                         static_cast<double>(height * width);
    }
};

/// Images [B,H,W,C] with the box replaced by the partner's. Error B01: the box is not inside.
Tensor cutmix_images(const Tensor& images, const CutBox& box);

/// lam t(b) + (1 - lam) t(B-1-b), where t is the smoothed one-hot vector of a label: smoothing / classes
/// everywhere, 1 - smoothing more at the label. labels [B] (I64); result [B,classes] (F32, computed in
/// float as timm does) on the labels' device.
Tensor mixup_targets(const Tensor& labels, std::int64_t classes, double lam, double smoothing);

}  // namespace fovea
