#include "data/transforms.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "core/error.h"
#include "kernels/include/augment_random.h"

namespace fovea {
namespace {

/// Random resized crop: its elements 16 + 4 attempt + 0..3 are blocks of four from here on.
constexpr std::uint64_t kResizedCropBlock = 4;

void check(bool ok, const char* what) {
    if (!ok)
        throw Error("C03", std::string("transform option out of range: ") + what,
                    "[data] and [augment]",
                    "correct the value in the recipe or on the command line");
}

}  // namespace

Transform::Transform(const TransformOptions& options, bool training, std::uint64_t seed)
    : options_(options), training_(training), seed_(seed) {
    const TransformOptions& o = options_;
    const auto per_channel = [&](const std::vector<float>& v) {
        return v.size() == 1 || v.size() == static_cast<std::size_t>(o.channels);
    };
    check(o.height >= 1 && o.width >= 1, "height and width must be at least 1");
    check(o.channels == 1 || o.channels == 3, "channels must be 1 or 3");
    check(per_channel(o.mean) && per_channel(o.std),
          "mean and std need one value, or one per channel");
    check(o.pad_crop >= 0 && o.shorter_side >= 0, "sizes must not be negative");
    check(o.flip >= 0 && o.flip <= 1 && o.erase >= 0 && o.erase <= 1,
          "probabilities lie within 0 to 1");
    check(o.crop_area > 0 && o.crop_area <= 1, "crop area lies within 0 to 1");
    for (int c = 0; c < o.channels; ++c) {
        const auto of_channel = [&](const std::vector<float>& v) {
            return v[v.size() == 1 ? 0 : static_cast<std::size_t>(c)];
        };
        const float mean = of_channel(o.mean), std = of_channel(o.std);
        check(std > 0, "std must be positive");
        auto& table = table_.emplace_back();
        for (std::size_t v = 0; v < 256; ++v)
            table[v] = (static_cast<float>(v) / 255.0f - mean) / std;
    }
}

std::size_t Transform::values() const {
    return static_cast<std::size_t>(options_.height) * static_cast<std::size_t>(options_.width) *
           static_cast<std::size_t>(options_.channels);
}

void Transform::apply(const ImageView& image, std::int64_t sample, std::int64_t epoch,
                      float* out) const {
    const TransformOptions& o = options_;
    const RandomSite random{seed_, RandomStream::Augment, static_cast<std::uint32_t>(sample),
                            static_cast<std::uint32_t>(epoch)};
    Image changed;  // the picture so far, where it is no longer the data set's
    ImageView view = image;
    const auto replace = [&](Image&& by) {
        changed = std::move(by);
        view = changed;
    };
    if (view.channels != o.channels) replace(to_channels(view, o.channels));
    const int side = o.shorter_side ? o.shorter_side : std::max(o.height, o.width);
    if (training_ && o.random_resized_crop) {
        replace(resized_crop(view, random));
    } else if (o.fit == Fit::Warp) {
        if (view.height != o.height || view.width != o.width)
            replace(resize(view, o.height, o.width, o.filter));
    } else {
        if (std::min(view.height, view.width) != side)
            replace(resize_shorter_side(view, side, o.filter));
        if (view.height != o.height || view.width != o.width)
            replace(center_crop(view, o.height, o.width));
    }
    if (!training_) return write(view, 0, 0, false, out);

    const augment::Choices c = augment::choose(random, o.pad_crop, o.flip, o.erase);
    write(view, c.top, c.left, c.flip, out);
    if (c.erase) erase(random, out);
}

// torchvision's RandomResizedCrop: ten attempts, then the largest middle box of an allowed ratio.
Image Transform::resized_crop(const ImageView& image, const RandomSite& random) const {
    const int h = image.height, w = image.width;
    constexpr double kLow = 3.0 / 4.0, kHigh = 4.0 / 3.0;
    augment::Box box;
    const augment::BoxRule rule{
        kResizedCropBlock, options_.crop_area, 1.0, std::log(kLow), std::log(kHigh), false, h, w};
    if (!augment::random_box(random, rule, h, w, box)) {
        const double ratio = static_cast<double>(w) / h;
        box.width = ratio > kHigh ? static_cast<int>(std::nearbyint(h * kHigh)) : w;
        box.height = ratio < kLow ? static_cast<int>(std::nearbyint(w / kLow)) : h;
        box.top = (h - box.height) / 2;
        box.left = (w - box.width) / 2;
    }
    const Image cut = crop(image, box.top, box.left, box.height, box.width);
    return resize(cut, options_.height, options_.width, options_.filter);
}

/// Window of the picture at (top, left), black outside, mirrored or not, normalised: one pass.
void Transform::write(const ImageView& image, int top, int left, bool flip, float* out) const {
    const int c = options_.channels, h = options_.height, w = options_.width;
    const int first = std::clamp(-left, 0, w), last = std::clamp(image.width - left, first, w);
    for (int y = 0; y < h; ++y, out += std::ptrdiff_t{w} * c) {
        const int from_row = y + top;
        const bool inside = from_row >= 0 && from_row < image.height;
        const int begin = inside ? first : w,
                  end = inside ? last : w;  // columns that show the picture
        const std::uint8_t* row = inside ? image.row(from_row) : nullptr;
        const auto black = [&](int from, int to) {
            for (int x = from; x < to; ++x)
                for (int k = 0; k < c; ++k)
                    out[(flip ? w - 1 - x : x) * c + k] = table_[static_cast<std::size_t>(k)][0];
        };
        black(0, begin);
        black(end, w);
        if (c == 1) {
            const auto& table = table_[0];
            if (flip)
                for (int x = begin; x < end; ++x) out[w - 1 - x] = table[row[x + left]];
            else
                for (int x = begin; x < end; ++x) out[x] = table[row[x + left]];
            continue;
        }
        for (int x = begin; x < end; ++x) {
            const std::uint8_t* p = row + std::ptrdiff_t{x + left} * c;
            float* to = out + std::ptrdiff_t{flip ? w - 1 - x : x} * c;
            for (int k = 0; k < c; ++k) to[k] = table_[static_cast<std::size_t>(k)][p[k]];
        }
    }
}

void Transform::erase(const RandomSite& random, float* out) const {
    const int c = options_.channels, h = options_.height, w = options_.width;
    augment::Box box;
    if (!augment::random_box(random, augment::erase_rule(h, w), h, w, box)) return;
    for (int y = box.top; y < box.top + box.height; ++y) {
        for (int i = (y * w + box.left) * c; i < (y * w + box.left + box.width) * c; ++i) {
            out[i] = options_.erase_fill == Erase::Zero
                         ? 0.0f
                         : augment::noise(random, static_cast<std::uint64_t>(i));
        }
    }
}

}  // namespace fovea
