// Image: 8-bit pixels as decoders give them and as transforms take them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace fovea {

/// Borrowed pixels, [height, width, channels], row-major without gaps. channels: 1 grey, 3 RGB.
struct ImageView {
    const std::uint8_t* data = nullptr;
    int height = 0, width = 0, channels = 0;

    std::size_t row_bytes() const {
        return static_cast<std::size_t>(width) * static_cast<std::size_t>(channels);
    }
    std::size_t bytes() const { return row_bytes() * static_cast<std::size_t>(height); }
    const std::uint8_t* row(int y) const {
        return data + row_bytes() * static_cast<std::size_t>(y);
    }
};

/// Owned pixels in the same layout.
struct Image {
    int height = 0, width = 0, channels = 0;
    std::vector<std::uint8_t> pixels;

    Image() = default;
    Image(int h, int w, int c, std::uint8_t fill = 0) : height(h), width(w), channels(c) {
        pixels.assign(view().bytes(), fill);
    }
    explicit Image(const ImageView& v)
        : height(v.height), width(v.width), channels(v.channels),
          pixels(v.data, v.data + v.bytes()) {}

    ImageView view() const { return {pixels.data(), height, width, channels}; }
    operator ImageView() const { return view(); }  // NOLINT: every image can be looked at
    std::uint8_t* row(int y) {
        return pixels.data() + view().row_bytes() * static_cast<std::size_t>(y);
    }
};

}  // namespace fovea
