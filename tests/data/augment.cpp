// Augmentation: a pure function of (seed, epoch, sample), with the promised statistics.
#include <catch2/catch.hpp>
#include <cmath>
#include <set>

#include "core/error.h"
#include "data/transforms.h"

using namespace fovea;

namespace {

/// Pixels that are all different from 0 and, up to 250, from each other.
Image pattern(int height, int width, int channels) {
    Image image(height, width, channels);
    for (std::size_t i = 0; i < image.pixels.size(); ++i)
        image.pixels[i] = static_cast<std::uint8_t>(1 + i % 250);
    return image;
}

TransformOptions plain(int height, int width, int channels) {
    TransformOptions o;
    o.height = height;
    o.width = width;
    o.channels = channels;
    o.mean = {0.0f};
    o.std = {1.0f / 255.0f};  // out = the pixel itself
    return o;
}

/// What plain() makes of a pixel.
float value(int pixel) { return (static_cast<float>(pixel) / 255.0f - 0.0f) / (1.0f / 255.0f); }

std::vector<float> run(const Transform& t, const Image& image, std::int64_t sample,
                       std::int64_t epoch) {
    std::vector<float> out(t.values(), NAN);
    t.apply(image, sample, epoch, out.data());
    return out;
}

}  // namespace

TEST_CASE("augmentation: same seed, epoch and sample give the same bits; others give others") {
    TransformOptions o = plain(16, 12, 3);
    o.pad_crop = 3;
    o.flip = 0.5;
    o.erase = 0.5;
    o.erase_fill = Erase::Noise;
    const Image image = pattern(16, 12, 3);
    const Transform a(o, true, 11), b(o, true, 11), c(o, true, 12);
    std::set<std::vector<float>> seen;
    int differs = 0;
    for (std::int64_t sample = 0; sample < 50; ++sample) {
        for (std::int64_t epoch = 0; epoch < 2; ++epoch) {
            const auto first = run(a, image, sample, epoch);
            run(a, image, sample + 1, epoch);  // what was asked in between does not matter
            CHECK(run(a, image, sample, epoch) == first);
            CHECK(run(b, image, sample, epoch) == first);
            differs += run(c, image, sample, epoch) != first;
            seen.insert(first);
        }
    }
    CHECK(seen.size() > 75);
    CHECK(differs > 90);
    const Transform evaluation(o, false, 11);
    CHECK(run(evaluation, image, 1, 0) == run(evaluation, image, 2, 5));
}

TEST_CASE("augmentation: pad-crop and flip equal the separate operations") {
    for (const int channels : {1, 3}) {
        TransformOptions o = plain(9, 7, channels);
        o.pad_crop = 2;
        o.flip = 0.5;
        const Transform transform(o, true, 5);
        const Image image = pattern(9, 7, channels);
        const Image padded = pad(image, 2, 2, 2, 2, PadMode::Constant);
        std::set<std::vector<float>> possible;
        for (int top = 0; top <= 4; ++top)
            for (int left = 0; left <= 4; ++left)
                for (const bool flip : {false, true}) {
                    const Image cut = crop(padded, top, left, 9, 7);
                    const Image one = flip ? hflip(cut) : cut;
                    std::vector<float> values;
                    for (const auto p : one.pixels) values.push_back(value(p));
                    possible.insert(values);
                }
        REQUIRE(possible.size() == 50);
        std::set<std::vector<float>> seen;
        for (std::int64_t sample = 0; sample < 1000; ++sample) {
            const auto values = run(transform, image, sample, 0);
            CHECK(possible.count(values) == 1);
            seen.insert(values);
        }
        CHECK(seen.size() == 50);
    }
}

TEST_CASE("augmentation: one decision does not move another") {
    TransformOptions o = plain(8, 8, 1);
    o.pad_crop = 2;
    const Transform without(o, true, 3);
    o.flip = 1.0;
    const Transform with(o, true, 3);
    const Image image = pattern(8, 8, 1);
    for (std::int64_t sample = 0; sample < 20; ++sample) {
        const auto a = run(without, image, sample, 1), b = run(with, image, sample, 1);
        for (std::size_t y = 0; y < 8; ++y)
            for (std::size_t x = 0; x < 8; ++x) CHECK(a[y * 8 + x] == b[y * 8 + 7 - x]);
    }
}

TEST_CASE("augmentation: random erasing takes a box of the promised size, or noise") {
    TransformOptions o = plain(32, 32, 1);
    o.erase = 0.25;
    const Image image = pattern(32, 32, 1);
    const Transform zero(o, true, 9);
    o.erase_fill = Erase::Noise;
    const Transform noise(o, true, 9);
    int erased = 0;
    double sum = 0.0, squares = 0.0, values = 0.0;
    constexpr int kSamples = 4000;
    for (std::int64_t sample = 0; sample < kSamples; ++sample) {
        const auto a = run(zero, image, sample, 0);
        int top = 32, left = 32, bottom = -1, right = -1, count = 0;
        for (int i = 0; i < 1024; ++i) {
            if (a[static_cast<std::size_t>(i)] != 0.0f) continue;
            ++count;
            top = std::min(top, i / 32);
            bottom = std::max(bottom, i / 32);
            left = std::min(left, i % 32);
            right = std::max(right, i % 32);
        }
        if (count == 0) continue;
        ++erased;
        CHECK(count == (bottom - top + 1) * (right - left + 1));
        CHECK(count >= 12);   // 2% of 1024 is 20, before rounding of the sides
        CHECK(count <= 370);  // a third is 341
        const auto b = run(noise, image, sample, 0);
        for (std::size_t i = 0; i < 1024; ++i) {
            if (a[i] != 0.0f) {
                CHECK(a[i] == b[i]);
                continue;
            }
            sum += static_cast<double>(b[i]);
            squares += static_cast<double>(b[i]) * static_cast<double>(b[i]);
            values += 1.0;
        }
    }
    CHECK(std::fabs(erased / double{kSamples} - 0.25) < 0.035);  // five standard deviations
    CHECK(std::fabs(sum / values) < 5.0 / std::sqrt(values));
    CHECK(std::fabs(squares / values - 1.0) < 5.0 * std::sqrt(2.0 / values));
}

TEST_CASE("augmentation: random resized crop shows parts of the picture at the model's size") {
    TransformOptions o = plain(16, 16, 1);
    o.random_resized_crop = true;
    const Transform transform(o, true, 1);
    Image ramp(40, 60, 1);  // grows to the right
    for (int y = 0; y < 40; ++y)
        for (int x = 0; x < 60; ++x) ramp.row(y)[x] = static_cast<std::uint8_t>(4 * x);
    double smallest = 255.0, largest = 0.0;
    for (std::int64_t sample = 0; sample < 300; ++sample) {
        const auto a = run(transform, ramp, sample, 0);
        const double width = static_cast<double>(a[15] - a[0]) / 4.0;
        smallest = std::min(smallest, width);
        largest = std::max(largest, width);
        for (std::size_t x = 1; x < 16; ++x) CHECK(a[x] >= a[x - 1]);
    }
    CHECK(smallest < 20.0);  // sqrt(0.08 * 2400 * 3/4) = 12 columns at least
    CHECK(largest > 40.0);   // h = 40 allows 53 columns
    CHECK(largest < 54.0);
    const Image strip(4, 400, 1, 77);  // no box of an allowed ratio is large enough: the middle
    CHECK(run(transform, strip, 0, 0) == std::vector<float>(256, value(77)));
}

TEST_CASE(
    "transform: pictures of other sizes and channels are made to fit, wrong options refused") {
    const Transform grey(plain(4, 4, 1), false, 0);
    CHECK(run(grey, Image(9, 5, 3, 100), 0, 0) == std::vector<float>(16, value(100)));
    const Transform colour(plain(2, 2, 3), false, 0);
    CHECK(run(colour, Image(2, 2, 1, 51), 0, 0) == std::vector<float>(12, value(51)));
    const auto refused = [](auto&& change) {
        TransformOptions o;
        change(o);
        try {
            Transform(o, true, 0);
        } catch (const Error& e) {
            return e.code() == "C03";
        }
        return false;
    };
    CHECK(refused([](auto& o) { o.channels = 2; }));
    CHECK(refused([](auto& o) { o.height = 0; }));
    CHECK(refused([](auto& o) { o.std = {0.0f}; }));
    CHECK(refused([](auto& o) { o.mean = {0.1f, 0.2f}; }));
    CHECK(refused([](auto& o) { o.flip = 1.5; }));
    CHECK(refused([](auto& o) { o.crop_area = 0.0; }));
    CHECK_FALSE(refused([](auto&) {}));
}
