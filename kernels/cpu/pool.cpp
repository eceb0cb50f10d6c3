// Pooling, channels-last. Forward gathers: one output pixel at a time, all channels in vectors.
// Backward gathers too: every input pixel adds up the windows that cover it in row-major order, so
// threads never meet and the order of a sum is fixed.
#include "kernels/include/pool.h"

#include "kernels/cpu/parallel.h"
#include "kernels/cpu/simd.h"

namespace fovea::kernels::cpu {
namespace {

struct Range {
    std::int64_t begin, end;
    std::int64_t size() const { return end - begin; }
};

/// Windows of average pooling along one axis: fixed extent and stride, or adaptive.
struct Windows {
    std::int64_t in, out;
    std::int64_t kernel = 0, stride = 0, padding = 0;  ///< kernel 0: adaptive
    bool count_padding = false;

    /// Input positions of window i.
    Range of(std::int64_t i) const {
        if (kernel == 0) return {i * in / out, ((i + 1) * in + out - 1) / out};
        const std::int64_t begin = i * stride - padding;
        return {std::max<std::int64_t>(begin, 0), std::min(begin + kernel, in)};
    }

    /// What the sum is divided by.
    std::int64_t divisor(std::int64_t i) const {
        if (!count_padding) return of(i).size();
        const std::int64_t begin = i * stride - padding;
        return std::min(begin + kernel, in + padding) - begin;
    }

    /// Windows that contain input position x.
    Range covering(std::int64_t x) const {
        if (kernel == 0) return {x * out / in, ((x + 1) * out + in - 1) / in};
        const std::int64_t first = (x + padding - kernel) / stride + 1;
        return {x + padding < kernel ? 0 : first, std::min(out, (x + padding) / stride + 1)};
    }
};

Windows fixed_windows(const PoolParams& p, int axis, std::int64_t in, std::int64_t out) {
    return {in, out, p.kernel[axis], p.stride[axis], p.padding[axis], p.count_include_pad};
}

/// f(n, i, j) for every pixel of [N, H, W].
template <class F>
void for_pixels(CView image, std::int64_t work, const F& f) {
    const std::int64_t H = image.dim(1), W = image.dim(2);
    parallel_for(image.dim(0) * H, W * work, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t row = begin; row < end; ++row)
            for (std::int64_t j = 0; j < W; ++j) f(row / H, row % H, j);
    });
}

/// Offset of a pixel's channels.
std::int64_t at(const CView& x, std::int64_t n, std::int64_t i, std::int64_t j) {
    return ((n * x.dim(1) + i) * x.dim(2) + j) * x.dim(3);
}

void average_forward(View y, CView x, const Windows& rows, const Windows& columns) {
    if (y.numel() == 0) return;
    const std::int64_t C = y.dim(3);
    const float* const in = x.as<float>();
    for_pixels(y, C * 4, [&](std::int64_t n, std::int64_t p, std::int64_t q) {
        float* const out = y.as<float>() + at(y, n, p, q);
        const Range h = rows.of(p), w = columns.of(q);
        const float scale = 1.0f / static_cast<float>(rows.divisor(p) * columns.divisor(q));
        std::fill(out, out + C, 0.0f);
        for (std::int64_t i = h.begin; i < h.end; ++i)
            for (std::int64_t j = w.begin; j < w.end; ++j)
                map(C, [](Vec s, Vec v) { return s + v; }, out, out, in + at(x, n, i, j));
        map(C, [&](Vec s) { return s * scale; }, out, out);
    });
}

void average_backward(View dx, CView dy, const Windows& rows, const Windows& columns) {
    if (dx.numel() == 0) return;
    const std::int64_t C = dx.dim(3);
    const float* const grad = dy.as<float>();
    for_pixels(dx, C * 4, [&](std::int64_t n, std::int64_t i, std::int64_t j) {
        float* const out = dx.as<float>() + at(dx, n, i, j);
        const Range h = rows.covering(i), w = columns.covering(j);
        std::fill(out, out + C, 0.0f);
        for (std::int64_t p = h.begin; p < h.end; ++p)
            for (std::int64_t q = w.begin; q < w.end; ++q) {
                const float scale = 1.0f / static_cast<float>(rows.divisor(p) * columns.divisor(q));
                map(C, [&](Vec s, Vec g) { return s + g * scale; }, out, out, grad + at(dy, n, p, q));
            }
    });
}

}  // namespace

void avg_pool_forward(const Stream&, View y, CView x, const PoolParams& params) {
    average_forward(y, x, fixed_windows(params, 0, x.dim(1), y.dim(1)),
                    fixed_windows(params, 1, x.dim(2), y.dim(2)));
}

void avg_pool_backward(const Stream&, View dx, CView dy, const PoolParams& params) {
    average_backward(dx, dy, fixed_windows(params, 0, dx.dim(1), dy.dim(1)),
                     fixed_windows(params, 1, dx.dim(2), dy.dim(2)));
}

void adaptive_avg_pool_forward(const Stream&, View y, CView x) {
    average_forward(y, x, {x.dim(1), y.dim(1)}, {x.dim(2), y.dim(2)});
}

void adaptive_avg_pool_backward(const Stream&, View dx, CView dy) {
    average_backward(dx, dy, {dx.dim(1), dy.dim(1)}, {dx.dim(2), dy.dim(2)});
}

void max_pool_forward(const Stream&, View y, View index, CView x, const PoolParams& params) {
    if (y.numel() == 0) return;
    const std::int64_t C = y.dim(3), W = x.dim(2);
    const Windows rows = fixed_windows(params, 0, x.dim(1), y.dim(1));
    const Windows columns = fixed_windows(params, 1, W, y.dim(2));

    for_pixels(y, C * 4, [&](std::int64_t n, std::int64_t p, std::int64_t q) {
        static thread_local Scratch<std::int32_t> scratch;  // where nobody wants the indices
        float* const out = y.as<float>() + at(y, n, p, q);
        std::int32_t* const best = index ? index.as<std::int32_t>() + at(y, n, p, q) : scratch.get(C);
        const Range h = rows.of(p), w = columns.of(q);
        const float* const first = x.as<float>() + at(x, n, h.begin, w.begin);
        std::copy(first, first + C, out);
        std::fill(best, best + C, static_cast<std::int32_t>(h.begin * W + w.begin));
        for (std::int64_t i = h.begin; i < h.end; ++i)
            for (std::int64_t j = w.begin; j < w.end; ++j) {
                const float* const in = x.as<float>() + at(x, n, i, j);
                const auto here = static_cast<std::int32_t>(i * W + j);
#pragma omp simd
                for (std::int64_t c = 0; c < C; ++c) {
                    const float value = in[c], largest = out[c];
                    const bool better = value > largest || (value != value && largest == largest);
                    out[c] = better ? value : largest;
                    best[c] = better ? here : best[c];
                }
            }
    });
}

void max_pool_backward(const Stream&, View dx, CView dy, CView index, const PoolParams& params) {
    if (dx.numel() == 0) return;
    const std::int64_t C = dx.dim(3), W = dx.dim(2);
    const Windows rows = fixed_windows(params, 0, dx.dim(1), dy.dim(1));
    const Windows columns = fixed_windows(params, 1, W, dy.dim(2));

    for_pixels(dx, C * 4, [&](std::int64_t n, std::int64_t i, std::int64_t j) {
        float* const out = dx.as<float>() + at(dx, n, i, j);
        const auto here = static_cast<std::int32_t>(i * W + j);
        const Range h = rows.covering(i), w = columns.covering(j);
        std::fill(out, out + C, 0.0f);
        for (std::int64_t p = h.begin; p < h.end; ++p)
            for (std::int64_t q = w.begin; q < w.end; ++q) {
                const float* const grad = dy.as<float>() + at(dy, n, p, q);
                const std::int32_t* const source = index.as<std::int32_t>() + at(dy, n, p, q);
#pragma omp simd
                for (std::int64_t c = 0; c < C; ++c) out[c] += source[c] == here ? grad[c] : 0.0f;
            }
    });
}

}  // namespace fovea::kernels::cpu
