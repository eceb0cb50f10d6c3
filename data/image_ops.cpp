#include "data/image_ops.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace fovea {

Image resize_shorter_side(const ImageView& image, int size, ResizeFilter filter) {
    const std::int64_t h = image.height, w = image.width;
    if (h <= w) return resize(image, size, static_cast<int>(size * w / h), filter);
    return resize(image, static_cast<int>(size * h / w), size, filter);
}

Image crop(const ImageView& image, int top, int left, int height, int width) {
    Image out(height, width, image.channels);
    const int first = std::max(0, -left), last = std::min(width, image.width - left);
    if (first >= last) return out;
    const auto c = static_cast<std::size_t>(image.channels);
    for (int y = std::max(0, -top); y < std::min(height, image.height - top); ++y) {
        std::memcpy(out.row(y) + static_cast<std::size_t>(first) * c,
                    image.row(y + top) + static_cast<std::size_t>(first + left) * c,
                    static_cast<std::size_t>(last - first) * c);
    }
    return out;
}

namespace {

// torchvision pads a small image by (want - have) / 2 rounded down before it takes the middle.
int center_offset(int have, int want) {
    if (want > have) return -((want - have) / 2);
    return static_cast<int>(std::nearbyint((have - want) / 2.0));
}

}  // namespace

Image center_crop(const ImageView& image, int height, int width) {
    return crop(image, center_offset(image.height, height), center_offset(image.width, width),
                height, width);
}

Image hflip(const ImageView& image) {
    Image out(image.height, image.width, image.channels);
    const int c = image.channels;
    for (int y = 0; y < image.height; ++y) {
        const std::uint8_t* from = image.row(y);
        std::uint8_t* to = out.row(y);
        for (int x = 0; x < image.width; ++x)
            for (int k = 0; k < c; ++k) to[x * c + k] = from[(image.width - 1 - x) * c + k];
    }
    return out;
}

Image pad(const ImageView& image, int left, int top, int right, int bottom, PadMode mode,
          std::uint8_t fill) {
    const int c = image.channels;
    Image out(image.height + top + bottom, image.width + left + right, c, fill);
    const auto mirrored = [](int i, int n) { return i < 0 ? -i : i >= n ? 2 * (n - 1) - i : i; };
    for (int y = 0; y < out.height; ++y) {
        const int sy = mode == PadMode::Reflect ? mirrored(y - top, image.height) : y - top;
        if (sy < 0 || sy >= image.height) continue;
        for (int x = 0; x < out.width; ++x) {
            const int sx = mode == PadMode::Reflect ? mirrored(x - left, image.width) : x - left;
            if (sx < 0 || sx >= image.width) continue;
            for (int k = 0; k < c; ++k) out.row(y)[x * c + k] = image.row(sy)[sx * c + k];
        }
    }
    return out;
}

Image to_channels(const ImageView& image, int channels) {
    if (image.channels == channels) return Image(image);
    Image out(image.height, image.width, channels);
    const std::size_t n =
        static_cast<std::size_t>(image.height) * static_cast<std::size_t>(image.width);
    const std::uint8_t* p = image.data;
    for (std::size_t i = 0; i < n; ++i) {
        if (channels == 3) {
            std::fill_n(&out.pixels[3 * i], 3, p[i]);
        } else {
            const std::uint8_t* rgb = p + 3 * i;
            out.pixels[i] = static_cast<std::uint8_t>(
                (19595u * rgb[0] + 38470u * rgb[1] + 7471u * rgb[2] + 32768u) >> 16);
        }
    }
    return out;
}

}  // namespace fovea
