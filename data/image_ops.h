// Geometry and channel conversion of 8-bit images. Results equal Pillow's and torchvision's.
#pragma once

#include "data/image.h"

namespace fovea {

enum class ResizeFilter : unsigned char { Nearest, Bilinear, Bicubic };
enum class PadMode : unsigned char { Constant, Reflect };

/// Resampled image. Bilinear and bicubic (a = -0.5) widen their filter when shrinking (antialias),
/// in fixed point with an 8-bit image between the two passes: bit-equal to Pillow.
/// Requires height, width >= 1 and a non-empty image.
Image resize(const ImageView& image, int height, int width, ResizeFilter filter);

/// Shorter side = size, the longer one int(size * long / short), as torchvision's Resize(int).
Image resize_shorter_side(const ImageView& image, int size, ResizeFilter filter);

/// The box [top, top + height) x [left, left + width); what lies outside the image is 0.
Image crop(const ImageView& image, int top, int left, int height, int width);

/// Middle box; offsets round half to even; an image that is too small is padded with 0.
Image center_crop(const ImageView& image, int height, int width);

/// Mirrored left to right.
Image hflip(const ImageView& image);

/// Border of the given widths: `fill`, or the mirrored inside without the edge itself
/// (then each width must be smaller than the image).
Image pad(const ImageView& image, int left, int top, int right, int bottom, PadMode mode,
          std::uint8_t fill = 0);

/// Grey <-> RGB: grey = (19595 R + 38470 G + 7471 B + 32768) >> 16 (ITU-R 601, as Pillow); RGB from
/// grey repeats it. channels is 1 or 3.
Image to_channels(const ImageView& image, int channels);

}  // namespace fovea
