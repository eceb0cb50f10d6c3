// Picture files: PNG and BMP (stb_image), JPEG (libjpeg-turbo), PGM and PPM; PNG writing.
//
// The orientation tag of EXIF is not applied: pictures come as they are stored.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/image.h"

namespace fovea {

/// What a decoder refuses before it takes memory.
struct ImageLimits {
    int side = 65535;
    std::int64_t pixels = std::int64_t{1} << 27;
};

/// Decodes to 8 bits. channels: 1 grey, 3 RGB, 0 as stored (grey or RGB). 16-bit samples keep their
/// high byte, palettes are looked up, transparency is laid over white, CMYK (Adobe's inverted form,
/// as Pillow assumes) becomes RGB. A decoder's warning counts as damage, and so does a wrong PNG
/// checksum: a picture is whole or it is an error.
/// Error D11 names the file and the reason.
Image decode_image(std::span<const std::uint8_t> file, const std::string& name, int channels,
                   const ImageLimits& limits = {});

/// The same for a file on disk. Error D11 also where it cannot be read.
Image read_image(const std::string& path, int channels, const ImageLimits& limits = {});

/// PNG with 8-bit grey or RGB.
std::vector<std::uint8_t> encode_png(const ImageView& image);
/// Replaces the file as a whole. Errors F01, F02, F03.
void write_png(const std::string& path, const ImageView& image);

}  // namespace fovea
