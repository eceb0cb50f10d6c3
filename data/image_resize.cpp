// Separable resampling of 8-bit images in fixed point: a horizontal pass, rounded to 8 bits, then a
// vertical one. The filter's support grows with the scale when shrinking, so every source pixel counts.
#include <algorithm>
#include <cmath>
#include <vector>

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
    int taps = 0;  // weights per output position, 0-padded
    std::vector<int> first, count;
    std::vector<std::int32_t> w;  // (out, taps)

    const std::int32_t* of(std::size_t position) const {
        return &w[position * static_cast<std::size_t>(taps)];
    }
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

// A weighted sum of 255s stays below 2^31: the weights of one output sum to 1, and the negative lobes
// of the cubic add less than a third.
std::uint8_t to_byte(std::int32_t sum) {
    return static_cast<std::uint8_t>(std::clamp(sum >> kFractionBits, 0, 255));
}
constexpr std::int32_t kHalf = 1 << (kFractionBits - 1);

/// out [out.width, C] from one row of pixels.
template <int C>
void filter_row(const std::uint8_t* in, std::uint8_t* out, int out_width, const Weights& weights) {
    for (int x = 0; x < out_width; ++x, out += C) {
        const auto at = static_cast<std::size_t>(x);
        const std::int32_t* w = weights.of(at);
        const std::uint8_t* from = in + std::ptrdiff_t{weights.first[at]} * C;
        std::int32_t sum[C];
        std::fill_n(sum, C, kHalf);
        for (int k = 0; k < weights.count[at]; ++k, from += C)
            for (int c = 0; c < C; ++c) sum[c] += from[c] * w[k];
        for (int c = 0; c < C; ++c) out[c] = to_byte(sum[c]);
    }
}

Image filter_columns(const Image& image, int height, ResizeFilter filter) {
    Image out(height, image.width, image.channels);
    const Weights weights = make_weights(image.height, height, filter);
    std::vector<std::int32_t> sum(out.view().row_bytes());
    for (int y = 0; y < height; ++y) {
        const auto at = static_cast<std::size_t>(y);
        std::fill(sum.begin(), sum.end(), kHalf);
        for (int k = 0; k < weights.count[at]; ++k) {
            const std::uint8_t* from = image.view().row(weights.first[at] + k);
            const std::int32_t w = weights.of(at)[k];
            for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += from[i] * w;
        }
        std::transform(sum.begin(), sum.end(), out.row(y), to_byte);
    }
    return out;
}

/// Source position of each output position. Pillow adds up the step, and so do we: on exact halves the
/// rounding of the sum decides.
std::vector<int> nearest_positions(int in, int out) {
    const double step = static_cast<double>(in) / out;
    std::vector<int> at;
    double position = 0.5 * step;
    for (int o = 0; o < out; ++o, position += step)
        at.push_back(std::min(in - 1, static_cast<int>(position)));
    return at;
}

Image resize_nearest(const ImageView& image, int height, int width) {
    Image out(height, width, image.channels);
    const auto rows = nearest_positions(image.height, height);
    const auto columns = nearest_positions(image.width, width);
    std::uint8_t* to = out.pixels.data();
    for (const int y : rows)
        for (const int x : columns)
            to = std::copy_n(image.row(y) + std::ptrdiff_t{x} * image.channels, image.channels, to);
    return out;
}

}  // namespace

Image resize(const ImageView& image, int height, int width, ResizeFilter filter) {
    if (filter == ResizeFilter::Nearest) return resize_nearest(image, height, width);
    Image wide;
    if (width == image.width) {
        wide = Image(image);
    } else {
        wide = Image(image.height, width, image.channels);
        const Weights weights = make_weights(image.width, width, filter);
        const auto pass = image.channels == 1 ? filter_row<1> : filter_row<3>;
        for (int y = 0; y < image.height; ++y) pass(image.row(y), wide.row(y), width, weights);
    }
    return height == image.height ? wide : filter_columns(wide, height, filter);
}

}  // namespace fovea
