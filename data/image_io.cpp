#include "data/image_io.h"

#define STBI_NO_STDIO
#define STBI_WRITE_NO_STDIO
#include <stb/stb_image.h>
#include <stb/stb_image_write.h>
#include <turbojpeg.h>
#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <memory>
#include <string_view>

#include "core/error.h"
#include "core/serialize/atomic_file.h"
#include "data/file_bytes.h"
#include "data/image_ops.h"
#include "data/pnm.h"

namespace fovea {
namespace {

using Bytes = std::span<const std::uint8_t>;

bool starts_with(Bytes file, std::string_view magic) {
    return file.size() >= magic.size() && std::memcmp(file.data(), magic.data(), magic.size()) == 0;
}

[[noreturn]] void bad(const std::string& reason, const std::string& name) {
    throw Error("D11", "cannot decode picture: " + reason, name, "replace or remove the file");
}

void check_size(std::int64_t width, std::int64_t height, const ImageLimits& limits,
                const std::string& name) {
    if (width < 1 || height < 1) bad("it has no pixels", name);
    if (width > limits.side || height > limits.side || width * height > limits.pixels)
        bad(std::to_string(width) + "x" + std::to_string(height) +
                " pixels are more than the limit",
            name);
}

std::uint32_t big_endian(const std::uint8_t* p) {
    return std::uint32_t{p[0]} << 24 | std::uint32_t{p[1]} << 16 | std::uint32_t{p[2]} << 8 | p[3];
}
std::uint32_t little_endian(const std::uint8_t* p) {
    return std::uint32_t{p[3]} << 24 | std::uint32_t{p[2]} << 16 | std::uint32_t{p[1]} << 8 | p[0];
}

/// stb_image neither checks PNG checksums nor minds a missing end, so that is done here: length, type,
/// data and CRC of each chunk up to IEND.
void check_png(Bytes file, const std::string& name, const ImageLimits& limits) {
    if (file.size() < 33 || std::memcmp(&file[12], "IHDR", 4) != 0) bad("PNG has no header", name);
    check_size(big_endian(&file[16]), big_endian(&file[20]), limits, name);
    for (std::size_t at = 8;;) {
        if (file.size() - at < 12) bad("PNG ends early", name);
        const std::uint32_t length = big_endian(&file[at]);
        if (length > file.size() - at - 12) bad("PNG ends early", name);
        const std::uint8_t* type = &file[at + 4];
        if (crc32(0, type, length + 4) != big_endian(type + 4 + length))
            bad("wrong checksum in PNG chunk at byte " + std::to_string(at), name);
        if (std::memcmp(type, "IEND", 4) == 0) return;
        at += std::size_t{12} + length;
    }
}

/// stb_image reads zeros beyond the end of a BMP.
void check_bmp(Bytes file, const std::string& name) {
    if (file.size() < 34) bad("BMP ends early", name);
    if (little_endian(&file[14]) < 40) return;  // the OS/2 header; stb_image reads it whole
    const std::uint64_t width = little_endian(&file[18]);
    const auto height = static_cast<std::int32_t>(little_endian(&file[22]));
    const std::uint64_t bits = file[28] | file[29] << 8;
    const std::uint64_t rows = static_cast<std::uint64_t>(std::abs(std::int64_t{height}));
    const std::uint64_t need = little_endian(&file[10]) + (width * bits + 31) / 32 * 4 * rows;
    if (need > file.size()) bad("BMP ends early", name);
}

/// Over white; drops the alpha channel.
Image flatten(const std::uint8_t* pixels, int width, int height, int stored) {
    const int colours = stored <= 2 ? 1 : 3;
    const bool alpha = stored % 2 == 0;
    Image out(height, width, colours);
    const std::size_t n = static_cast<std::size_t>(width) * static_cast<std::size_t>(height);
    for (std::size_t i = 0; i < n; ++i) {
        const std::uint8_t* p = pixels + i * static_cast<std::size_t>(stored);
        const int a = alpha ? p[colours] : 255;
        for (int c = 0; c < colours; ++c) {
            out.pixels[i * static_cast<std::size_t>(colours) + static_cast<std::size_t>(c)] =
                static_cast<std::uint8_t>((p[c] * a + 255 * (255 - a) + 127) / 255);
        }
    }
    return out;
}

Image decode_stb(Bytes file, const std::string& name, const ImageLimits& limits) {
    if (file.size() > static_cast<std::size_t>(std::numeric_limits<int>::max()))
        bad("file is larger than 2 GiB", name);
    const int length = static_cast<int>(file.size());
    int width = 0, height = 0, stored = 0;
    const auto reason = [] {
        const char* text = stbi_failure_reason();
        return std::string(text ? text : "unknown reason");
    };
    if (!stbi_info_from_memory(file.data(), length, &width, &height, &stored)) bad(reason(), name);
    check_size(width, height, limits, name);
    const std::unique_ptr<stbi_uc, void (*)(void*)> pixels(
        stbi_load_from_memory(file.data(), length, &width, &height, &stored, 0), stbi_image_free);
    if (!pixels) bad(reason(), name);
    return flatten(pixels.get(), width, height, stored);
}

Image decode_pnm(Bytes file, const std::string& name, const ImageLimits& limits) {
    const PnmHeader header = read_pnm_header(file);
    if (!header.error.empty()) bad(header.error, name);
    check_size(header.width, header.height, limits, name);
    const auto bytes = static_cast<std::size_t>(header.width * header.height * header.channels);
    if (file.size() < bytes) bad("PNM ends early", name);  // before the memory is taken
    Image image(static_cast<int>(header.height), static_cast<int>(header.width), header.channels);
    if (!read_pnm_pixels(file, header, image.pixels.data())) bad("PNM ends early", name);
    return image;
}

Image decode_jpeg(Bytes file, const std::string& name, const ImageLimits& limits) {
    const std::unique_ptr<void, int (*)(tjhandle)> jpeg(tjInitDecompress(), tjDestroy);
    if (!jpeg) throw Error("M01", "no memory for the JPEG decoder", name, "close other programs");
    int width = 0, height = 0, subsampling = 0, space = 0;
    const auto size = static_cast<unsigned long>(file.size());
    if (tjDecompressHeader3(jpeg.get(), file.data(), size, &width, &height, &subsampling, &space) !=
        0)
        bad(tjGetErrorStr2(jpeg.get()), name);
    check_size(width, height, limits, name);
    const bool cmyk = space == TJCS_CMYK || space == TJCS_YCCK;
    const int format = space == TJCS_GRAY ? TJPF_GRAY : cmyk ? TJPF_CMYK : TJPF_RGB;
    Image image(height, width, tjPixelSize[format]);
    constexpr int kFlags = TJFLAG_ACCURATEDCT | TJFLAG_STOPONWARNING | TJFLAG_LIMITSCANS;
    if (tjDecompress2(jpeg.get(), file.data(), size, image.pixels.data(), width, 0, height, format,
                      kFlags) != 0)
        bad(tjGetErrorStr2(jpeg.get()), name);
    if (!cmyk) return image;
    Image rgb(height, width, 3);
    const std::size_t n = rgb.pixels.size() / 3;
    for (std::size_t i = 0; i < n; ++i) {
        const std::uint8_t* p = &image.pixels[4 * i];  // 255 = no ink
        for (std::size_t c = 0; c < 3; ++c)
            rgb.pixels[3 * i + c] = static_cast<std::uint8_t>((p[c] * p[3] + 127) / 255);
    }
    return rgb;
}

}  // namespace

Image decode_image(Bytes file, const std::string& name, int channels, const ImageLimits& limits) {
    if (file.empty()) bad("file is empty", name);
    Image image;
    if (starts_with(file, "\xFF\xD8")) {
        image = decode_jpeg(file, name, limits);
    } else if (starts_with(file, "\x89PNG\r\n\x1A\n")) {
        check_png(file, name, limits);
        image = decode_stb(file, name, limits);
    } else if (starts_with(file, "BM")) {
        check_bmp(file, name);
        image = decode_stb(file, name, limits);
    } else if (starts_with(file, "P5") || starts_with(file, "P6")) {
        image = decode_pnm(file, name, limits);
    } else {
        bad("not a PNG, JPEG, BMP, PGM or PPM file", name);
    }
    return channels == 0 || channels == image.channels ? image : to_channels(image, channels);
}

Image read_image(const std::string& path, int channels, const ImageLimits& limits) {
    std::vector<std::uint8_t> file;
    try {
        file = read_file(path, std::uint64_t{1} << 30);
    } catch (const Error& e) {
        throw Error("D11", e.message(), e.at(), e.attempt());
    }
    return decode_image(file, path, channels, limits);
}

std::vector<std::uint8_t> encode_png(const ImageView& image) {
    std::vector<std::uint8_t> out;
    const auto append = [](void* to, void* data, int size) {
        const auto* p = static_cast<const std::uint8_t*>(data);
        auto& bytes = *static_cast<std::vector<std::uint8_t>*>(to);
        bytes.insert(bytes.end(), p, p + size);
    };
    const int stride = static_cast<int>(image.row_bytes());
    if (!stbi_write_png_to_func(append, &out, image.width, image.height, image.channels, image.data,
                                stride))
        throw Error("M01", "no memory to write a PNG", {}, "make the picture smaller");
    return out;
}

void write_png(const std::string& path, const ImageView& image) {
    const std::vector<std::uint8_t> png = encode_png(image);
    AtomicFile file(path, png.size());
    file.write(png.data(), png.size());
    file.commit();
}

}  // namespace fovea
