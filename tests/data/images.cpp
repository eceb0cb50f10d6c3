// Picture files: formats that are read, and damage that is reported.
#include <turbojpeg.h>
#include <unistd.h>
#include <zlib.h>

#include <catch2/catch.hpp>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "core/error.h"
#include "data/dataset.h"
#include "data/image_io.h"
#include "data/registry.h"

using namespace fovea;

namespace {

using Bytes = std::vector<std::uint8_t>;
const std::string kImages = FOVEA_SOURCE_DIR "/tests/golden/images/";

Bytes file_of(const std::string& name) {
    std::ifstream in(kImages + name, std::ios::binary);
    return Bytes(std::istreambuf_iterator<char>(in), {});
}

void put_big_endian(Bytes& b, std::uint32_t v) {
    for (int shift = 24; shift >= 0; shift -= 8) b.push_back(static_cast<std::uint8_t>(v >> shift));
}

void put_chunk(Bytes& png, const std::string& type, const Bytes& data) {
    put_big_endian(png, static_cast<std::uint32_t>(data.size()));
    const std::size_t begin = png.size();
    png.insert(png.end(), type.begin(), type.end());
    png.insert(png.end(), data.begin(), data.end());
    put_big_endian(png, static_cast<std::uint32_t>(
                            crc32(0, png.data() + begin, static_cast<uInt>(png.size() - begin))));
}

/// rows: each begins with its filter byte 0. colour: 0 grey, 2 RGB, 3 palette, 4 grey+alpha, 6 RGBA.
Bytes png(std::uint32_t width, std::uint32_t height, std::uint8_t bits, std::uint8_t colour,
          const Bytes& rows, const Bytes& palette = {}) {
    Bytes out{0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'}, header;
    put_big_endian(header, width);
    put_big_endian(header, height);
    header.insert(header.end(), {bits, colour, 0, 0, 0});
    put_chunk(out, "IHDR", header);
    if (!palette.empty()) put_chunk(out, "PLTE", palette);
    uLongf size = compressBound(static_cast<uLong>(rows.size()));
    Bytes packed(size);
    compress(packed.data(), &size, rows.data(), static_cast<uLong>(rows.size()));
    packed.resize(size);
    put_chunk(out, "IDAT", packed);
    put_chunk(out, "IEND", {});
    return out;
}

/// A 16x16 JPEG of one colour.
Bytes jpeg(const Bytes& colour, int format, int subsampling) {
    Bytes pixels;
    for (int i = 0; i < 256; ++i) pixels.insert(pixels.end(), colour.begin(), colour.end());
    unsigned char* buffer = nullptr;
    unsigned long size = 0;
    const tjhandle handle = tjInitCompress();
    REQUIRE(tjCompress2(handle, pixels.data(), 16, 0, 16, format, &buffer, &size, subsampling, 95,
                        0) == 0);
    const Bytes out(buffer, buffer + size);
    tjFree(buffer);
    tjDestroy(handle);
    return out;
}

Bytes text(const std::string& header, const Bytes& pixels = {}) {
    Bytes b(header.begin(), header.end());
    b.insert(b.end(), pixels.begin(), pixels.end());
    return b;
}

std::string reason(const Bytes& file, const ImageLimits& limits = {}) {
    try {
        decode_image(file, "dir/name.x", 3, limits);
    } catch (const Error& e) {
        CHECK(e.code() == "D11");
        CHECK(e.at() == "dir/name.x");
        CHECK_FALSE(e.attempt().empty());
        return e.message();
    }
    return "none";
}

Bytes pixels_of(const Bytes& file, int channels = 0) {
    return decode_image(file, "t", channels).pixels;
}

}  // namespace

TEST_CASE("pictures: PNG kinds become 8-bit grey or RGB") {
    CHECK(pixels_of(png(2, 1, 8, 0, {0, 10, 200})) == Bytes{10, 200});
    CHECK(pixels_of(png(2, 1, 16, 0, {0, 0x12, 0x34, 0xFF, 0xFF})) == Bytes{0x12, 0xFF});
    CHECK(pixels_of(png(8, 1, 1, 0, {0, 0b10100000})) == Bytes{255, 0, 255, 0, 0, 0, 0, 0});
    CHECK(pixels_of(png(2, 1, 8, 3, {0, 1, 0}, {1, 2, 3, 4, 5, 6})) == Bytes{4, 5, 6, 1, 2, 3});
    CHECK(pixels_of(png(2, 1, 8, 4, {0, 100, 255, 100, 0})) == Bytes{100, 255});  // over white
    CHECK(pixels_of(png(1, 1, 8, 6, {0, 200, 0, 50, 51})) == Bytes{244, 204, 214});
    CHECK(pixels_of(png(1, 1, 8, 0, {0, 9}), 3) == Bytes{9, 9, 9});
    CHECK(pixels_of(png(1, 1, 8, 2, {0, 255, 0, 0}), 1) == Bytes{76});
}

TEST_CASE("pictures: PGM, PPM and BMP") {
    CHECK(pixels_of(text("P5\n# made by hand\n2 1\n255\n", {7, 8})) == Bytes{7, 8});
    CHECK(pixels_of(text("P6 1 1 255 ", {1, 2, 3})) == Bytes{1, 2, 3});
    CHECK(pixels_of(text("P5 2 1 15\n", {15, 5})) == Bytes{255, 85});
    CHECK(pixels_of(text("P5 1 1 65535\n", {0x80, 0x00})) == Bytes{128});
    Bytes bmp{'B', 'M', 62, 0, 0, 0, 0, 0,  0, 0, 54, 0, 0, 0, 40, 0, 0, 0, 1, 0, 0,
              0,   2,   0,  0, 0, 1, 0, 24, 0, 0, 0,  0, 0, 8, 0,  0, 0, 0, 0, 0, 0,
              0,   0,   0,  0, 0, 0, 0, 0,  0, 0, 0,  0, 1, 2, 3,  0, 4, 5, 6, 0};
    CHECK(pixels_of(bmp) == Bytes{6, 5, 4, 3, 2, 1});  // from below, blue first
    bmp.pop_back();
    CHECK_THAT(reason(bmp), Catch::Contains("ends early"));
}

TEST_CASE("pictures: JPEG colour, grey and CMYK") {
    const Bytes rgb = pixels_of(jpeg({200, 100, 50}, TJPF_RGB, TJSAMP_444));
    CHECK(rgb.size() == 768);
    CHECK(std::abs(rgb[0] - 200) <= 3);
    CHECK(std::abs(rgb[2] - 50) <= 3);
    CHECK(decode_image(jpeg({90}, TJPF_GRAY, TJSAMP_GRAY), "t", 0).channels == 1);
    const Bytes ink = pixels_of(jpeg({255, 128, 0, 200}, TJPF_CMYK, TJSAMP_444));
    REQUIRE(ink.size() == 768);
    CHECK(std::abs(ink[0] - 200) <= 4);
    CHECK(std::abs(ink[1] - 100) <= 4);
    CHECK(ink[2] <= 4);
}

TEST_CASE("pictures: a file cut anywhere is refused, with its name and the reason") {
    const Bytes whole = file_of("fashion_t10k_0.png");
    for (std::size_t n = 0; n < whole.size(); ++n) {
        INFO(n << " of " << whole.size() << " bytes");
        CHECK(reason(Bytes(whole.begin(), whole.begin() + static_cast<long>(n))) != "none");
    }
    const Bytes photo = file_of("flower_97x65.jpg");
    REQUIRE(photo.size() > 2000);
    for (std::size_t n = 0; n + 2 < photo.size(); n += n < 700 ? 1 : 101) {
        INFO(n << " of " << photo.size() << " bytes");
        CHECK(reason(Bytes(photo.begin(), photo.begin() + static_cast<long>(n))) != "none");
    }
    Bytes half(photo.begin(), photo.begin() + static_cast<long>(photo.size() / 2));
    CHECK_THAT(reason(half), Catch::Contains("Premature end"));
}

TEST_CASE("pictures: damage and things that are no pictures") {
    const Bytes whole = file_of("china_64x48.png");
    for (std::size_t at = 8; at < whole.size(); at += 97) {
        Bytes flipped = whole;
        flipped[at] ^= 0x10;
        INFO("byte " << at);
        CHECK(reason(flipped) != "none");
    }
    CHECK_THAT(reason({}), Catch::Contains("empty"));
    CHECK_THAT(reason(text("hello, I am a text")), Catch::Contains("not a PNG"));
    CHECK_THAT(reason(text("GIF89a")), Catch::Contains("not a PNG"));
    CHECK_THAT(reason(png(0, 4, 8, 0, {0})), Catch::Contains("picture"));
    CHECK_THAT(reason(png(60000, 60000, 8, 2, {0})), Catch::Contains("60000x60000"));
    CHECK_THAT(reason(png(4, 4, 8, 0, {0, 1, 2, 3, 4})),
               Catch::Contains("cannot decode"));  // rows lack
    CHECK_THAT(reason(file_of("china_64x48.png"), {60, 1 << 20}), Catch::Contains("64x48"));
    CHECK_THAT(reason(file_of("flower_97x65.jpg"), {1000, 6000}), Catch::Contains("97x65"));
    CHECK_THAT(reason(text("P5 30000 4000 255\n")), Catch::Contains("ends early"));
    CHECK_THAT(reason(text("P5 2 2 255\n", {1, 2, 3})), Catch::Contains("ends early"));
    CHECK_THAT(reason(text("P5 2 x 255\n", {1, 2, 3})), Catch::Contains("size"));
    CHECK_THAT(reason(text("P5 1 1 70000\n", {1, 2})), Catch::Contains("maximum"));
    CHECK_THAT(reason(text("P5 1 1 255")), Catch::Contains("pixels"));
    CHECK_THAT(reason(text("BM")), Catch::Contains("BMP"));
    for (const char* path : {"/nowhere/at/all.png", "/tmp", "/dev/null"}) {
        try {
            read_image(path, 3);
            FAIL(path << " was read");
        } catch (const Error& e) {
            CHECK(e.code() == "D11");
            CHECK(e.at() == path);
        }
    }
}

TEST_CASE("pictures: a PNG that was written is read back") {
    const auto path = std::filesystem::temp_directory_path() /
                      ("fovea_written_" + std::to_string(::getpid()) + ".png");
    for (const int channels : {1, 3}) {
        Image image(5, 7, channels);
        for (std::size_t i = 0; i < image.pixels.size(); ++i)
            image.pixels[i] = static_cast<std::uint8_t>(i * 37);
        write_png(path, image);
        const Image back = read_image(path, 0);
        CHECK(back.channels == channels);
        CHECK(back.pixels == image.pixels);
    }
    std::filesystem::remove(path);
    CHECK_THROWS_AS(write_png("/nowhere/at/all.png", Image(1, 1, 1)), Error);
}

TEST_CASE("pictures: files for a model, one by one or as a data set; nothing is inverted") {
    const Image one = load_image_for_model(kImages + "china_64x48.png", 28, 28, 1);
    CHECK(one.height == 28);
    CHECK(one.width == 28);
    CHECK(one.channels == 1);
    const auto white = std::filesystem::temp_directory_path() /
                       ("fovea_white_" + std::to_string(::getpid()) + ".png");
    write_png(white, Image(50, 20, 3, 255));
    CHECK(load_image_for_model(white, 7, 9, 3).pixels == Bytes(7 * 9 * 3, 255));
    const ImageFiles files({white, kImages + "fashion_t10k_0.png"}, 1, {"a", "b"});
    CHECK(files.size() == 2);
    CHECK(files.get(0).label == kNoLabel);
    CHECK(files.get(0).image.height == 50);
    const Sample moved = files.get(1);
    CHECK(moved.image.data == moved.decoded.pixels.data());
    CHECK(files.describe(0) == white);
    std::filesystem::remove(white);
}
