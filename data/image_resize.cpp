// Separable resampling of 8-bit images in fixed point: a horizontal pass, rounded to 8 bits, then a
// vertical one. The filter's support grows with the scale when shrinking, so every source pixel counts.
#include <algorithm>
#include <cmath>

#include "data/image_ops.h"

namespace fovea {
namespace {

constexpr int kFractionBits = 22;  // 8 bits of pixel, 2 of head room for negative lobes

double bilinear(double x) { return std::max(0.0, 1.0 - std::fabs(x)); }

double bicubic(double x) {
    constexpr double a = -0.5;
    x = std::fabs(x);
    if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
    if (x < 2.0) return (((x - 5.0) * x + 8.0) * x - 4.0) * a;
    return 0.0;
}

/// For each output position: the first source position and its fixed-point weights.
struct Weights {
    int taps = 0;                 // weights per output position, 0-padded
    std::vector<int> first, count;
    std::vector<std::int32_t> w;  // (out, taps)
};

Weights make_weights(int in, int out, ResizeFilter filter) {
    const double scale = static_cast<double>(in) / out;
    const double stretch = std::max(scale, 1.0);
    const double support = (filter == ResizeFilter::Bicubic ? 2.0 : 1.0) * stretch;
    Weights r;
    r.taps = static_cast<int>(std::ceil(support)) * 2 + 1;
    r.w.assign(static_cast<std::size_t>(out) * static_cast<std::size_t>(r.taps), 0);
    std::vector<double> weight(static_cast<std::size_t>(r.taps));
    for (int o = 0; o < out; ++o) {
        const double center = (o + 0.5) * scale;
        const int begin = std::max(0, static_cast<int>(center - support + 0.5));
        const int end = std::min(in, static_cast<int>(center + support + 0.5));
        double sum = 0.0;
        for (int i = begin; i < end; ++i) {
            const double x = (i - center + 0.5) * (1.0 / stretch);
            const double v = filter == ResizeFilter::Bicubic ? bicubic(x) : bilinear(x);
            weight[static_cast<std::size_t>(i - begin)] = v;
            sum += v;
        }
        std::int32_t* to = &r.w[static_cast<std::size_t>(o) * static_cast<std::size_t>(r.taps)];
        for (int k = 0; k < end - begin; ++k) {
            // Half away from zero.
            to[k] = static_cast<std::int32_t>(
                std::lround(weight[static_cast<std::size_t>(k)] / sum * (1 << kFractionBits)));
        }
        r.first.push_back(begin);
        r.count.push_back(end - begin);
    }
    return r;
}

std::uint8_t to_byte(std::int64_t fixed) {
    return static_cast<std::uint8_t>(
        std::clamp<std::int64_t>((fixed + (1 << (kFractionBits - 1))) >> kFractionBits, 0, 255));
}

/// One pass over `lines` lines. Neighbours on a line are `step` bytes apart; every line holds `width`
/// interleaved values that are filtered alike.
void filter_line(const std::uint8_t* in, std::uint8_t* out, int out_size, std::ptrdiff_t step,
                 int width, const Weights& weights) {
    for (int o = 0; o < out_size; ++o) {
        const auto at = static_cast<std::size_t>(o);
        const std::int32_t* w = &weights.w[at * static_cast<std::size_t>(weights.taps)];
        const std::uint8_t* from = in + weights.first[at] * step;
        for (int v = 0; v < width; ++v) {
            std::int64_t sum = 0;
            for (int k = 0; k < weights.count[at]; ++k) sum += std::int64_t{from[k * step + v]} * w[k];
            out[o * step + v] = to_byte(sum);
        }
    }
}

Image resize_nearest(const ImageView& image, int height, int width) {
    Image out(height, width, image.channels);
    const double sy = static_cast<double>(image.height) / height;
    const double sx = static_cast<double>(image.width) / width;
    for (int y = 0; y < height; ++y) {
        const std::uint8_t* from = image.row(std::min(image.height - 1, static_cast<int>((y + 0.5) * sy)));
        for (int x = 0; x < width; ++x) {
            const int column = std::min(image.width - 1, static_cast<int>((x + 0.5) * sx));
            for (int c = 0; c < image.channels; ++c)
                out.row(y)[x * image.channels + c] = from[column * image.channels + c];
        }
    }
    return out;
}

}  // namespace

Image resize(const ImageView& image, int height, int width, ResizeFilter filter) {
    if (filter == ResizeFilter::Nearest) return resize_nearest(image, height, width);
    Image wide(image);
    if (width != image.width) {
        wide = Image(image.height, width, image.channels);
        const Weights weights = make_weights(image.width, width, filter);
        for (int y = 0; y < image.height; ++y)
            filter_line(image.row(y), wide.row(y), width, image.channels, image.channels, weights);
    }
    if (height == image.height) return wide;
    Image out(height, width, image.channels);
    const Weights weights = make_weights(image.height, height, filter);
    const auto row = static_cast<int>(out.view().row_bytes());
    filter_line(wide.pixels.data(), out.pixels.data(), height, row, row, weights);
    return out;
}

}  // namespace fovea
