// Pictures read and changed by us against Pillow's and torchvision's results.
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "data/image_io.h"
#include "data/transforms.h"

using namespace fovea;
using nlohmann::json;

namespace {

const std::string kGolden = FOVEA_SOURCE_DIR "/tests/golden/";

ResizeFilter filter_of(const json& args) {
    const std::string name = args.at("interpolation");
    if (name == "nearest") return ResizeFilter::Nearest;
    return name == "bicubic" ? ResizeFilter::Bicubic : ResizeFilter::Bilinear;
}

/// One operation, or an empty image where it is not one of ours.
Image apply(const std::string& op, const json& a, const Image& image) {
    const auto box = [&](auto&& f) {
        return f(a.at("top"), a.at("left"), a.at("height"), a.at("width"));
    };
    const auto cut = [&](int t, int l, int h, int w) { return crop(image, t, l, h, w); };
    if (op == "decode") return image;
    if (op == "resize") return resize(image, a["size_hw"][0], a["size_hw"][1], filter_of(a));
    if (op == "resize_shorter_side") return resize_shorter_side(image, a["size"], filter_of(a));
    if (op == "center_crop") return center_crop(image, a["size_hw"][0], a["size_hw"][1]);
    if (op == "crop") return box(cut);
    if (op == "resized_crop")
        return resize(box(cut), a["size_hw"][0], a["size_hw"][1], filter_of(a));
    if (op == "hflip") return hflip(image);
    if (op == "grayscale") return to_channels(image, 1);
    if (op == "pad")
        return pad(image, a["left"], a["top"], a["right"], a["bottom"],
                   a["mode"] == "reflect" ? PadMode::Reflect : PadMode::Constant,
                   a["fill"].is_null() ? 0 : a["fill"].get<std::uint8_t>());
    return {};
}

struct Difference {
    int max = 0;
    double mean = 0.0;
};

Difference difference(const Image& image, const json& out) {
    const auto& shape = out.at("shape");
    REQUIRE(image.height == shape[0]);
    REQUIRE(image.width == shape[1]);
    REQUIRE(image.channels == (shape.size() == 3 ? shape[2].get<int>() : 1));
    const auto golden = out.at("data").get<std::vector<int>>();
    Difference d;
    for (std::size_t i = 0; i < golden.size(); ++i) {
        const int error = std::abs(image.pixels[i] - golden[i]);
        d.max = std::max(d.max, error);
        d.mean += error / static_cast<double>(golden.size());
    }
    return d;
}

}  // namespace

TEST_CASE("golden transforms: PNG pictures and 8-bit operations are bit-equal to Pillow's") {
    int checked = 0;
    for (const char* name :
         {"geometry_china_64x48_png", "geometry_fashion_t10k_0_png", "colour_china_64x48_png"}) {
        const json file = json::parse(std::ifstream(kGolden + "transforms/" + name + ".json"));
        for (const json& c : file.at("cases")) {
            const Image image =
                read_image(kGolden + "images/" + c.at("image").get<std::string>(), 0);
            const Image ours = apply(c.at("op"), c.at("args"), image);
            if (ours.pixels.empty()) continue;
            INFO(name << ": " << c.at("op") << ' ' << c.at("args"));
            CHECK(difference(ours, c.at("out")).max == 0);
            ++checked;
        }
    }
    CHECK(checked == 44);
}

TEST_CASE("golden transforms: JPEG pictures are within 3 levels of Pillow's") {
    const json file = json::parse(std::ifstream(kGolden + "transforms/jpeg_decode.json"));
    for (const json& c : file.at("cases")) {
        INFO(c.at("image"));
        const Image image = read_image(kGolden + "images/" + c.at("image").get<std::string>(), 0);
        const Difference d = difference(image, c.at("out"));
        CHECK(d.max <= 3);
        CHECK(d.mean < 0.5);
    }
}

TEST_CASE("golden transforms: the evaluation pipeline equals torchvision's") {
    for (const char* name :
         {"pipeline_china_64x48_png_36_32_bicubic", "pipeline_china_64x48_png_40_32_bilinear",
          "pipeline_fashion_t10k_0_png_32_28_bilinear"}) {
        const json file = json::parse(std::ifstream(kGolden + "transforms/" + name + ".json"));
        for (const int index : {0, 1}) {  // without and with normalisation
            const json& c = file.at("cases").at(static_cast<std::size_t>(index));
            const json& steps = c.at("args").at("steps");
            TransformOptions o;
            o.fit = Fit::CenterCrop;
            o.shorter_side = steps[0]["args"]["size"];
            o.filter = filter_of(steps[0]["args"]);
            o.height = steps[1]["args"]["size_hw"][0];
            o.width = steps[1]["args"]["size_hw"][1];
            o.mean = index ? steps[3]["args"]["mean"].get<std::vector<float>>()
                           : std::vector<float>{0.0f};
            o.std = index ? steps[3]["args"]["std"].get<std::vector<float>>()
                          : std::vector<float>{1.0f};
            const Image image =
                read_image(kGolden + "images/" + c.at("image").get<std::string>(), 0);
            o.channels = image.channels;
            const Transform transform(o, false, 0);
            std::vector<float> ours(transform.values());
            transform.apply(image, 0, 0, ours.data());
            const auto golden = c.at("out").at("data").get<std::vector<double>>();  // (C, H, W)
            REQUIRE(golden.size() == ours.size());
            const std::size_t channels = static_cast<std::size_t>(o.channels);
            const std::size_t plane = ours.size() / channels;
            double worst = 0.0;
            for (std::size_t i = 0; i < ours.size(); ++i) {
                const double theirs = golden[i % channels * plane + i / channels];
                worst = std::max(worst, std::fabs(static_cast<double>(ours[i]) - theirs));
            }
            INFO(name << " case " << index);
            CHECK(worst < 1e-6);
        }
    }
}
