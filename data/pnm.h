// Binary PGM (P5) and PPM (P6): "P5 width height maxval", white space, pixels; # begins a comment.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace fovea {

struct PnmHeader {
    std::int64_t width = 0, height = 0;
    int channels = 1;      ///< P5: 1, P6: 3
    int most = 255;        ///< value of white; from 256 on a sample has two bytes, high one first
    std::size_t data = 0;  ///< where the pixels begin
    std::string error;     ///< empty when all is well
};

PnmHeader read_pnm_header(std::span<const std::uint8_t> file);

/// Pixels [height, width, channels] scaled to 0...255, rounded. The header must be without error;
/// false: the file ends before its pixels.
bool read_pnm_pixels(std::span<const std::uint8_t> file, const PnmHeader& header, std::uint8_t* to);

}  // namespace fovea
