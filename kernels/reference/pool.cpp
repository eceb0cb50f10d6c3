#include "kernels/include/pool.h"

#include <algorithm>
#include <cmath>

#include "kernels/reference/support.h"

namespace fovea::kernels::reference {
namespace {

/// Input positions [begin, end) of a window along one axis, and its extent with padding counted.
struct Span {
    Index begin, end, padded;
};

Span window(const PoolParams& params, int axis, Index out, Index in) {
    const Index begin = out * params.stride[axis] - params.padding[axis];
    const Index end = std::min(begin + params.kernel[axis], in + params.padding[axis]);
    return {std::max<Index>(begin, 0), std::min(end, in), end - begin};
}

Span adaptive_window(Index i, Index n, Index in) {
    const Index begin = i * in / n, end = ((i + 1) * in + n - 1) / n;
    return {begin, end, end - begin};
}

/// Extents of x and y, channels-last.
struct Extents {
    Index N, H, W, C, P, Q;
    Extents(const CView& x, const CView& y)
        : N(x.dim(0)), H(x.dim(1)), W(x.dim(2)), C(x.dim(3)), P(y.dim(1)), Q(y.dim(2)) {}
};

/// y = mean of each window, where rows(p) and columns(q) give its spans and divisor(..) its size.
template <class T, class Rows, class Columns, class Divisor>
void average(T* y, const T* x, const Extents& e, Rows rows, Columns columns, Divisor divisor) {
    Buffer sum(e.C);
    for (Index n = 0; n < e.N; ++n)
        for (Index p = 0; p < e.P; ++p)
            for (Index q = 0; q < e.Q; ++q, y += e.C) {
                const Span h = rows(p), w = columns(q);
                std::fill(sum.begin(), sum.end(), 0.0);
                for (Index i = h.begin; i < h.end; ++i)
                    for (Index j = w.begin; j < w.end; ++j) {
                        const T* pixel = x + ((n * e.H + i) * e.W + j) * e.C;
                        for (Index c = 0; c < e.C; ++c) sum[c] += static_cast<double>(pixel[c]);
                    }
                for (Index c = 0; c < e.C; ++c) y[c] = static_cast<T>(sum[c] / divisor(h, w));
            }
}

/// dx = every dy spread evenly over its window.
template <class T, class Rows, class Columns, class Divisor>
void spread(T* dx, const T* dy, const Extents& e, Rows rows, Columns columns, Divisor divisor) {
    const Index image = e.H * e.W * e.C;
    Buffer sum(image);
    for (Index n = 0; n < e.N; ++n) {
        std::fill(sum.begin(), sum.end(), 0.0);
        for (Index p = 0; p < e.P; ++p)
            for (Index q = 0; q < e.Q; ++q, dy += e.C) {
                const Span h = rows(p), w = columns(q);
                const double size = divisor(h, w);
                for (Index i = h.begin; i < h.end; ++i)
                    for (Index j = w.begin; j < w.end; ++j) {
                        double* pixel = sum.data() + (i * e.W + j) * e.C;
                        for (Index c = 0; c < e.C; ++c)
                            pixel[c] += static_cast<double>(dy[c]) / size;
                    }
            }
        for (Index i = 0; i < image; ++i) dx[n * image + i] = static_cast<T>(sum[i]);
    }
}

/// Calls f with the spans of avg_pool's windows and their divisor.
template <class F>
void with_fixed_windows(const PoolParams& params, const Extents& e, F f) {
    f([&](Index p) { return window(params, 0, p, e.H); },
      [&](Index q) { return window(params, 1, q, e.W); },
      [&](const Span& h, const Span& w) {
          return static_cast<double>(params.count_include_pad
                                         ? h.padded * w.padded
                                         : (h.end - h.begin) * (w.end - w.begin));
      });
}

template <class F>
void with_adaptive_windows(const Extents& e, F f) {
    f([&](Index p) { return adaptive_window(p, e.P, e.H); },
      [&](Index q) { return adaptive_window(q, e.Q, e.W); },
      [](const Span& h, const Span& w) { return static_cast<double>(h.padded * w.padded); });
}

}  // namespace

void max_pool_forward(const Stream&, View y, View index, CView x, const PoolParams& params) {
    const Extents e(x, y);
    with_float(y.dtype, [&]<class T>(std::type_identity<T>) {
        Index at = 0;
        for (Index n = 0; n < e.N; ++n)
            for (Index p = 0; p < e.P; ++p)
                for (Index q = 0; q < e.Q; ++q)
                    for (Index c = 0; c < e.C; ++c, ++at) {
                        const Span h = window(params, 0, p, e.H), w = window(params, 1, q, e.W);
                        const T* image = x.as<T>() + n * e.H * e.W * e.C + c;
                        Index best = h.begin * e.W + w.begin;
                        for (Index i = h.begin; i < h.end; ++i)
                            for (Index j = w.begin; j < w.end; ++j) {
                                const Index here = i * e.W + j;
                                const T value = image[here * e.C], largest = image[best * e.C];
                                if (value > largest || (std::isnan(value) && !std::isnan(largest)))
                                    best = here;
                            }
                        y.as<T>()[at] = image[best * e.C];
                        if (index) index.as<std::int32_t>()[at] = static_cast<std::int32_t>(best);
                    }
    });
}

void max_pool_backward(const Stream&, View dx, CView dy, CView index, const PoolParams&) {
    const Extents e(dx, dy);
    const Index image = e.H * e.W * e.C, outputs = e.P * e.Q;
    with_float(dx.dtype, [&]<class T>(std::type_identity<T>) {
        Buffer sum(image);
        for (Index n = 0; n < e.N; ++n) {
            const T* grad = dy.as<T>() + n * outputs * e.C;
            const std::int32_t* source = index.as<std::int32_t>() + n * outputs * e.C;
            std::fill(sum.begin(), sum.end(), 0.0);
            for (Index i = 0; i < outputs; ++i)
                for (Index c = 0; c < e.C; ++c)
                    sum[source[i * e.C + c] * e.C + c] += static_cast<double>(grad[i * e.C + c]);
            for (Index i = 0; i < image; ++i) dx.as<T>()[n * image + i] = static_cast<T>(sum[i]);
        }
    });
}

void avg_pool_forward(const Stream&, View y, CView x, const PoolParams& params) {
    const Extents e(x, y);
    with_float(y.dtype, [&]<class T>(std::type_identity<T>) {
        with_fixed_windows(params, e, [&](auto rows, auto columns, auto divisor) {
            average(y.as<T>(), x.as<T>(), e, rows, columns, divisor);
        });
    });
}

void avg_pool_backward(const Stream&, View dx, CView dy, const PoolParams& params) {
    const Extents e(dx, dy);
    with_float(dx.dtype, [&]<class T>(std::type_identity<T>) {
        with_fixed_windows(params, e, [&](auto rows, auto columns, auto divisor) {
            spread(dx.as<T>(), dy.as<T>(), e, rows, columns, divisor);
        });
    });
}

void adaptive_avg_pool_forward(const Stream&, View y, CView x) {
    const Extents e(x, y);
    with_float(y.dtype, [&]<class T>(std::type_identity<T>) {
        with_adaptive_windows(e, [&](auto rows, auto columns, auto divisor) {
            average(y.as<T>(), x.as<T>(), e, rows, columns, divisor);
        });
    });
}

void adaptive_avg_pool_backward(const Stream&, View dx, CView dy) {
    const Extents e(dx, dy);
    with_float(dx.dtype, [&]<class T>(std::type_identity<T>) {
        with_adaptive_windows(e, [&](auto rows, auto columns, auto divisor) {
            spread(dx.as<T>(), dy.as<T>(), e, rows, columns, divisor);
        });
    });
}

}  // namespace fovea::kernels::reference
