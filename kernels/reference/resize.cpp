#include "kernels/include/resize.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/reference/support.h"

namespace fovea::kernels::reference {
namespace {

/// One term of an interpolation along one axis.
struct Tap {
    Index source;
    double weight;
};
using Taps = std::vector<Tap>;

/// Keys' cubic convolution kernel with parameter a, zero from |x| = 2 on.
double cubic(double x, double a) {
    x = std::abs(x);
    if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
    if (x < 2.0) return ((x - 5.0) * x + 8.0) * x * a - 4.0 * a;
    return 0.0;
}

double triangle(double x) { return std::max(0.0, 1.0 - std::abs(x)); }

/// Input steps per output step.
double scale_of(Index in, Index out, bool align_corners) {
    if (!align_corners) return static_cast<double>(in) / static_cast<double>(out);
    return out > 1 ? static_cast<double>(in - 1) / static_cast<double>(out - 1) : 0.0;
}

Taps nearest(Index i, Index in, Index out) {
    // PyTorch computes this position in float, whatever the tensor's type.
    const float scale = static_cast<float>(in) / static_cast<float>(out);
    const auto source = static_cast<Index>(std::floor(static_cast<float>(i) * scale));
    return {{std::min(source, in - 1), 1.0}};
}

Taps bilinear(double position, Index in) {
    position = std::max(position, 0.0);
    const Index low = std::min(static_cast<Index>(position), in - 1);
    const double t = std::min(position - static_cast<double>(low), 1.0);
    return {{low, 1.0 - t}, {std::min(low + 1, in - 1), t}};
}

Taps bicubic(double position, Index in) {
    const auto low = static_cast<Index>(std::floor(position));
    Taps taps;
    for (Index k = low - 1; k <= low + 2; ++k)
        taps.push_back(
            {std::clamp<Index>(k, 0, in - 1), cubic(position - static_cast<double>(k), -0.75)});
    return taps;
}

/// Weights of all pixels under the filter, made to sum to one. `scale` > 1 widens the filter.
Taps antialiased(Index i, Index in, double scale, Interpolation mode) {
    const double stretch = std::max(scale, 1.0);
    const double support = (mode == Interpolation::Bicubic ? 2.0 : 1.0) * stretch;
    const double centre = scale * (static_cast<double>(i) + 0.5);
    const Index first = std::max<Index>(static_cast<Index>(centre - support + 0.5), 0);
    const Index last = std::min(static_cast<Index>(centre + support + 0.5), in);

    Taps taps;
    double total = 0.0;
    for (Index k = first; k < last; ++k) {
        const double x = (static_cast<double>(k) - centre + 0.5) / stretch;
        taps.push_back({k, mode == Interpolation::Bicubic ? cubic(x, -0.5) : triangle(x)});
        total += taps.back().weight;
    }
    for (Tap& tap : taps) tap.weight /= total;
    return taps;
}

/// The taps of every output position along one axis.
std::vector<Taps> axis_taps(Index in, Index out, const ResizeParams& params) {
    std::vector<Taps> all;
    const double scale = scale_of(in, out, params.align_corners);
    for (Index i = 0; i < out; ++i) {
        const auto x = static_cast<double>(i);
        const double position = params.align_corners ? x * scale : (x + 0.5) * scale - 0.5;
        if (params.mode == Interpolation::Nearest)
            all.push_back(nearest(i, in, out));
        else if (params.antialias)
            all.push_back(antialiased(i, in, scale, params.mode));
        else if (params.mode == Interpolation::Bilinear)
            all.push_back(bilinear(position, in));
        else
            all.push_back(bicubic(position, in));
    }
    return all;
}

/// Calls f(output pixel, input pixel, weight) for every nonzero entry of the map of one image.
template <class F>
void for_each_entry(const CView& x, const CView& y, const ResizeParams& params, F f) {
    const Index W = x.dim(2), Q = y.dim(2);
    const auto rows = axis_taps(x.dim(1), y.dim(1), params);
    const auto columns = axis_taps(W, Q, params);
    for (std::size_t p = 0; p < rows.size(); ++p)
        for (std::size_t q = 0; q < columns.size(); ++q)
            for (const Tap& row : rows[p])
                for (const Tap& column : columns[q])
                    f(static_cast<Index>(p) * Q + static_cast<Index>(q),
                      row.source * W + column.source, row.weight * column.weight);
}

/// to[n, pixel b] = sum of weight * from[n, pixel a] over the entries (a, b, weight) of a map.
template <class T, class Entries>
void apply_map(const View& to, const CView& from, Entries entries) {
    const Index C = to.dim(3), size = to.dim(1) * to.dim(2) * C;
    const Index from_size = from.dim(1) * from.dim(2) * C;
    Buffer sum(size);
    for (Index n = 0; n < to.dim(0); ++n) {
        std::fill(sum.begin(), sum.end(), 0.0);
        const T* in = from.as<T>() + n * from_size;
        entries([&](Index a, Index b, double weight) {
            for (Index c = 0; c < C; ++c)
                sum[b * C + c] += weight * static_cast<double>(in[a * C + c]);
        });
        for (Index i = 0; i < size; ++i) to.as<T>()[n * size + i] = static_cast<T>(sum[i]);
    }
}

}  // namespace

void resize_forward(const Stream&, View y, CView x, const ResizeParams& params) {
    with_float(y.dtype, [&]<class T>(std::type_identity<T>) {
        apply_map<T>(y, x, [&](auto add) {
            for_each_entry(x, y, params,
                           [&](Index out, Index in, double weight) { add(in, out, weight); });
        });
    });
}

void resize_backward(const Stream&, View dx, CView dy, const ResizeParams& params) {
    with_float(dx.dtype, [&]<class T>(std::type_identity<T>) {
        apply_map<T>(dx, dy, [&](auto add) { for_each_entry(dx, dy, params, add); });
    });
}

}  // namespace fovea::kernels::reference
