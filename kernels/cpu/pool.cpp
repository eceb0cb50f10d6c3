// Pooling, channels-last. Forward gathers: one output pixel at a time, all channels in vectors.
// Backward gathers too: every input pixel adds up the windows that cover it in row-major order, so
// threads never meet and the order of a sum is fixed.
#include "kernels/include/pool.h"

#include <cstring>
#include <vector>

#include "kernels/cpu/parallel.h"
#include "kernels/cpu/simd.h"

namespace fovea::kernels::cpu {
namespace {

struct Range {
    std::int64_t begin, end;
    std::int64_t size() const { return end - begin; }
};

/// One axis of a pooling: its windows, and for every input position the windows that cover it.
struct Axis {
    std::vector<Range> windows, covering;
    std::vector<float> weight;  ///< 1 / what average pooling divides by, per window

    /// Fixed extent and stride.
    Axis(const PoolParams& params, int axis, std::int64_t in, std::int64_t out) : Axis(in, out) {
        const std::int64_t kernel = params.kernel[axis], padding = params.padding[axis];
        for (std::int64_t i = 0; i < out; ++i) {
            const std::int64_t begin = i * params.stride[axis] - padding;
            const std::int64_t end = std::min(begin + kernel, in + padding);
            const Range inside{std::max<std::int64_t>(begin, 0), std::min(end, in)};
            add(inside, params.count_include_pad ? end - begin : inside.size());
        }
    }

    /// Window i covers [floor(i in / out), ceil((i + 1) in / out)).
    static Axis adaptive(std::int64_t in, std::int64_t out) {
        Axis axis(in, out);
        for (std::int64_t i = 0; i < out; ++i) {
            const Range window{i * in / out, ((i + 1) * in + out - 1) / out};
            axis.add(window, window.size());
        }
        return axis;
    }

private:
    Axis(std::int64_t in, std::int64_t out) : covering(static_cast<std::size_t>(in), Range{0, 0}) {
        windows.reserve(static_cast<std::size_t>(out));
        weight.reserve(static_cast<std::size_t>(out));
    }

    void add(Range window, std::int64_t divisor) {
        const auto number = static_cast<std::int64_t>(windows.size());
        for (std::int64_t x = window.begin; x < window.end; ++x) {
            Range& c = covering[static_cast<std::size_t>(x)];
            if (c.size() == 0) c.begin = number;
            c.end = number + 1;
        }
        windows.push_back(window);
        weight.push_back(1.0f / static_cast<float>(divisor));
    }
};

/// f(n, i, j) for every pixel of [N, H, W].
template <class F>
void for_pixels(CView image, std::int64_t work, const F& f) {
    const std::int64_t H = image.dim(1), W = image.dim(2);
    parallel_for(image.dim(0) * H, W * work, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t row = begin; row < end; ++row)
            for (std::int64_t j = 0; j < W; ++j) f(row / H, row % H, j);
    });
}

/// f(first channel, number of channels) a vector at a time.
template <class F>
void for_channels(std::int64_t C, const F& f) {
    for (std::int64_t c = 0; c < C; c += kLanes)
        f(c, static_cast<int>(std::min<std::int64_t>(kLanes, C - c)));
}

/// The first n <= kLanes integers. (A memcpy of known size is one instruction.)
IntVec load_ints(const std::int32_t* p, int n) {
    IntVec v{};
    if (n == kLanes)
        std::memcpy(&v, p, sizeof v);
    else
        for (int i = 0; i < n; ++i) v[i] = p[i];
    return v;
}
void store_ints(std::int32_t* p, IntVec v, int n) {
    if (n == kLanes)
        std::memcpy(p, &v, sizeof v);
    else
        for (int i = 0; i < n; ++i) p[i] = v[i];
}

/// Offset of a pixel's channels.
std::int64_t at(const CView& x, std::int64_t n, std::int64_t i, std::int64_t j) {
    return ((n * x.dim(1) + i) * x.dim(2) + j) * x.dim(3);
}

Range range_of(const std::vector<Range>& ranges, std::int64_t i) {
    return ranges[static_cast<std::size_t>(i)];
}
float weight_of(const Axis& axis, std::int64_t i) {
    return axis.weight[static_cast<std::size_t>(i)];
}

void average_forward(View y, CView x, const Axis& rows, const Axis& columns) {
    if (y.numel() == 0) return;
    for_pixels(y, y.dim(3) * 4, [&](std::int64_t n, std::int64_t p, std::int64_t q) {
        const Range h = range_of(rows.windows, p), w = range_of(columns.windows, q);
        const float scale = weight_of(rows, p) * weight_of(columns, q);
        for_channels(y.dim(3), [&](std::int64_t c, int lanes) {
            Vec sum{};
            for (std::int64_t i = h.begin; i < h.end; ++i)
                for (std::int64_t j = w.begin; j < w.end; ++j)
                    sum += load_some(x.as<float>() + at(x, n, i, j) + c, lanes);
            store_some(y.as<float>() + at(y, n, p, q) + c, sum * scale, lanes);
        });
    });
}

void average_backward(View dx, CView dy, const Axis& rows, const Axis& columns) {
    if (dx.numel() == 0) return;
    for_pixels(dx, dx.dim(3) * 4, [&](std::int64_t n, std::int64_t i, std::int64_t j) {
        const Range h = range_of(rows.covering, i), w = range_of(columns.covering, j);
        for_channels(dx.dim(3), [&](std::int64_t c, int lanes) {
            Vec sum{};
            for (std::int64_t p = h.begin; p < h.end; ++p)
                for (std::int64_t q = w.begin; q < w.end; ++q)
                    sum += load_some(dy.as<float>() + at(dy, n, p, q) + c, lanes) *
                           (weight_of(rows, p) * weight_of(columns, q));
            store_some(dx.as<float>() + at(dx, n, i, j) + c, sum, lanes);
        });
    });
}

}  // namespace

void avg_pool_forward(const Stream&, View y, CView x, const PoolParams& params) {
    average_forward(y, x, Axis(params, 0, x.dim(1), y.dim(1)), Axis(params, 1, x.dim(2), y.dim(2)));
}

void avg_pool_backward(const Stream&, View dx, CView dy, const PoolParams& params) {
    average_backward(dx, dy, Axis(params, 0, dx.dim(1), dy.dim(1)),
                     Axis(params, 1, dx.dim(2), dy.dim(2)));
}

void adaptive_avg_pool_forward(const Stream&, View y, CView x) {
    average_forward(y, x, Axis::adaptive(x.dim(1), y.dim(1)), Axis::adaptive(x.dim(2), y.dim(2)));
}

void adaptive_avg_pool_backward(const Stream&, View dx, CView dy) {
    average_backward(dx, dy, Axis::adaptive(dx.dim(1), dy.dim(1)),
                     Axis::adaptive(dx.dim(2), dy.dim(2)));
}

void max_pool_forward(const Stream&, View y, View index, CView x, const PoolParams& params) {
    if (y.numel() == 0) return;
    const std::int64_t W = x.dim(2);
    const Axis rows(params, 0, x.dim(1), y.dim(1)), columns(params, 1, W, y.dim(2));
    for_pixels(y, y.dim(3) * 4, [&](std::int64_t n, std::int64_t p, std::int64_t q) {
        const Range h = range_of(rows.windows, p), w = range_of(columns.windows, q);
        for_channels(y.dim(3), [&](std::int64_t c, int lanes) {
            Vec best = load_some(x.as<float>() + at(x, n, h.begin, w.begin) + c, lanes);
            IntVec where = IntVec{} + static_cast<std::int32_t>(h.begin * W + w.begin);
            for (std::int64_t i = h.begin; i < h.end; ++i)
                for (std::int64_t j = w.begin; j < w.end; ++j) {
                    const Vec v = load_some(x.as<float>() + at(x, n, i, j) + c, lanes);
                    const IntVec better = (v > best) | ((v != v) & (best == best));
                    best = better ? v : best;
                    where = better ? IntVec{} + static_cast<std::int32_t>(i * W + j) : where;
                }
            const std::int64_t out = at(y, n, p, q) + c;
            store_some(y.as<float>() + out, best, lanes);
            if (index) store_ints(index.as<std::int32_t>() + out, where, lanes);
        });
    });
}

void max_pool_backward(const Stream&, View dx, CView dy, CView index, const PoolParams& params) {
    if (dx.numel() == 0) return;
    const std::int64_t W = dx.dim(2);
    const Axis rows(params, 0, dx.dim(1), dy.dim(1)), columns(params, 1, W, dy.dim(2));
    for_pixels(dx, dx.dim(3) * 4, [&](std::int64_t n, std::int64_t i, std::int64_t j) {
        const Range h = range_of(rows.covering, i), w = range_of(columns.covering, j);
        const auto here = static_cast<std::int32_t>(i * W + j);
        for_channels(dx.dim(3), [&](std::int64_t c, int lanes) {
            Vec sum{};
            for (std::int64_t p = h.begin; p < h.end; ++p)
                for (std::int64_t q = w.begin; q < w.end; ++q) {
                    const std::int64_t from = at(dy, n, p, q) + c;
                    const Vec g = load_some(dy.as<float>() + from, lanes);
                    const IntVec where = load_ints(index.as<std::int32_t>() + from, lanes);
                    sum += where == here ? g : Vec{};
                }
            store_some(dx.as<float>() + at(dx, n, i, j) + c, sum, lanes);
        });
    });
}

}  // namespace fovea::kernels::cpu
