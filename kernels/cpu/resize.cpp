// Separable resampling. Along each axis an output position is a short weighted sum of input positions
// (a row of a sparse matrix); an image is resampled down its columns into one line, then along the
// line. The gradient is the same computation with both matrices transposed.
#include "kernels/include/resize.h"

#include <cmath>
#include <vector>

#include "kernels/cpu/parallel.h"
#include "kernels/cpu/simd.h"

namespace fovea::kernels::cpu {
namespace {

struct Tap {
    std::int64_t source;
    float weight;
};

/// Rows of taps: those of output i are taps[start[i] .. start[i + 1]).
struct AxisMap {
    std::vector<std::int64_t> start{0};
    std::vector<Tap> taps;

    void add(std::int64_t source, double weight) {
        if (weight != 0.0) taps.push_back({source, static_cast<float>(weight)});
    }
    void end_row() { start.push_back(static_cast<std::int64_t>(taps.size())); }

    template <class F>
    void for_taps(std::int64_t row, const F& f) const {
        for (std::int64_t t = start[static_cast<std::size_t>(row)];
             t < start[static_cast<std::size_t>(row) + 1]; ++t)
            f(taps[static_cast<std::size_t>(t)]);
    }
};

/// Keys' cubic kernel: 1 at 0, 0 at the other integers, 0 from 2 on.
double cubic(double x, double a) {
    const double d = std::abs(x);
    if (d >= 2.0) return 0.0;
    if (d >= 1.0) return a * (d * (d * (d - 5.0) + 8.0) - 4.0);
    return d * d * (d * (a + 2.0) - (a + 3.0)) + 1.0;
}

/// Taps of a filter widened by the scale, about `centre` in the input, normalized to sum to one.
void add_antialiased(AxisMap& map, double centre, double scale, std::int64_t in, bool is_cubic) {
    const double widen = std::max(1.0, scale), support = (is_cubic ? 2.0 : 1.0) * widen;
    // Truncation towards zero, as in PyTorch and Pillow.
    const auto first = std::max(static_cast<std::int64_t>(centre - support + 0.5), std::int64_t{0});
    const auto last = std::min(static_cast<std::int64_t>(centre + support + 0.5), in);
    const auto weight = [&](std::int64_t k) {
        const double x = (static_cast<double>(k) + 0.5 - centre) / widen;
        return is_cubic ? cubic(x, -0.5) : std::max(0.0, 1.0 - std::abs(x));
    };
    double total = 0.0;
    for (std::int64_t k = first; k < last; ++k) total += weight(k);
    for (std::int64_t k = first; k < last; ++k) map.add(k, weight(k) / total);
}

AxisMap axis_map(std::int64_t in, std::int64_t out, const ResizeParams& params) {
    const double steps_in = static_cast<double>(in), steps_out = static_cast<double>(out);
    double scale = steps_in / steps_out;
    if (params.align_corners) scale = out > 1 ? (steps_in - 1.0) / (steps_out - 1.0) : 0.0;

    AxisMap map;
    for (std::int64_t i = 0; i < out; ++i) {
        const double step = static_cast<double>(i);
        const double position = params.align_corners ? step * scale : (step + 0.5) * scale - 0.5;
        if (params.mode == Interpolation::Nearest) {
            // In float, as PyTorch does for every dtype: another precision picks other pixels.
            const float source =
                static_cast<float>(i) * (static_cast<float>(in) / static_cast<float>(out));
            map.add(std::min(static_cast<std::int64_t>(source), in - 1), 1.0);
        } else if (params.antialias) {
            add_antialiased(map, (step + 0.5) * scale, scale, in,
                            params.mode == Interpolation::Bicubic);
        } else if (params.mode == Interpolation::Bilinear) {
            const double inside = std::max(0.0, position);
            const auto low = std::min(static_cast<std::int64_t>(inside), in - 1);
            const double t = std::min(1.0, inside - static_cast<double>(low));
            map.add(low, 1.0 - t);
            map.add(std::min(low + 1, in - 1), t);
        } else {
            const auto low = static_cast<std::int64_t>(std::floor(position));
            for (std::int64_t k = low - 1; k <= low + 2; ++k)
                map.add(std::clamp(k, std::int64_t{0}, in - 1),
                        cubic(position - static_cast<double>(k), -0.75));
        }
        map.end_row();
    }
    return map;
}

/// The transposed matrix, its rows' taps in increasing order of source.
AxisMap transposed(const AxisMap& map, std::int64_t in) {
    std::vector<std::vector<Tap>> rows(static_cast<std::size_t>(in));
    for (std::size_t i = 0; i + 1 < map.start.size(); ++i)
        map.for_taps(static_cast<std::int64_t>(i), [&](Tap tap) {
            rows[static_cast<std::size_t>(tap.source)].push_back(
                {static_cast<std::int64_t>(i), tap.weight});
        });
    AxisMap result;
    for (const std::vector<Tap>& row : rows) {
        result.taps.insert(result.taps.end(), row.begin(), row.end());
        result.end_row();
    }
    return result;
}

/// out [n] = sum over the taps of row `row` of weight * x[source * n + ...].
void weighted_sum(float* out, const float* x, const AxisMap& map, std::int64_t row,
                  std::int64_t n) {
    std::int64_t i = 0;
    constexpr std::int64_t kStep = 4 * std::int64_t{kLanes};
    for (; i + kStep <= n; i += kStep) {
        Vec sums[4] = {};
        map.for_taps(row, [&](Tap tap) {
            const float* const from = x + tap.source * n + i;
            for (std::int64_t v = 0; v < 4; ++v) sums[v] += tap.weight * load(from + v * kLanes);
        });
        for (std::int64_t v = 0; v < 4; ++v) store(out + i + v * kLanes, sums[v]);
    }
    for (; i < n; i += kLanes) {
        const int lanes = static_cast<int>(std::min<std::int64_t>(kLanes, n - i));
        Vec sum{};
        map.for_taps(
            row, [&](Tap tap) { sum += tap.weight * load_some(x + tap.source * n + i, lanes); });
        store_some(out + i, sum, lanes);
    }
}

/// y [N,P,Q,C] from x [N,H,W,C]: rows combines lines into a line, columns pixels into a pixel.
void apply(View y, CView x, const AxisMap& rows, const AxisMap& columns) {
    const std::int64_t P = y.dim(1), Q = y.dim(2), C = y.dim(3), line = x.dim(2) * C;
    parallel_for(y.dim(0) * P, 4 * (line + Q * C), [&](std::int64_t begin, std::int64_t end) {
        static thread_local Scratch<float> scratch;
        float* const combined = scratch.get(line);
        for (std::int64_t row = begin; row < end; ++row) {
            weighted_sum(combined, x.as<float>() + row / P * x.dim(1) * line, rows, row % P, line);
            for (std::int64_t q = 0; q < Q; ++q)
                weighted_sum(y.as<float>() + (row * Q + q) * C, combined, columns, q, C);
        }
    });
}

}  // namespace

void resize_forward(const Stream&, View y, CView x, const ResizeParams& params) {
    if (y.numel() == 0) return;
    apply(y, x, axis_map(x.dim(1), y.dim(1), params), axis_map(x.dim(2), y.dim(2), params));
}

void resize_backward(const Stream&, View dx, CView dy, const ResizeParams& params) {
    if (dx.numel() == 0) return;
    const std::int64_t H = dx.dim(1), W = dx.dim(2);
    apply(dx, dy, transposed(axis_map(H, dy.dim(1), params), H),
          transposed(axis_map(W, dy.dim(2), params), W));
}

}  // namespace fovea::kernels::cpu
