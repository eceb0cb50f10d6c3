// Separable image resampling of channels-last maps, as torch.nn.functional.interpolate.
#pragma once

#include "kernels/include/kernel.h"

namespace fovea {

enum class Interpolation : unsigned char { Nearest, Bilinear, Bicubic };

/// align_corners: the corner pixels' centres coincide. antialias: when shrinking the filter widens by
/// the scale (as Pillow). Bicubic uses a = -0.75, and -0.5 with antialias, as PyTorch does.
struct ResizeParams {
    Interpolation mode = Interpolation::Bilinear;
    bool align_corners = false;
    bool antialias = false;
};

namespace kernels {

/// y [N,P,Q,C] from x [N,H,W,C].
KERNEL(resize_forward, View y, CView x, const ResizeParams& params);
/// dx (overwritten): the transposed map.
KERNEL(resize_backward, View dx, CView dy, const ResizeParams& params);

}  // namespace kernels
}  // namespace fovea
