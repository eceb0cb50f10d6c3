// LayerNorm. Rows are read from memory once and then stay in the L1 cache: mean, variance about that
// mean (two passes lose nothing to cancellation), output. As many rows as a vector has lanes go
// together, so that sums across lanes, roots and divisions are done for all of them at once.
#include "kernels/cpu/columns.h"
#include "kernels/cpu/parallel.h"
#include "kernels/include/norm.h"

namespace fovea::kernels::cpu {
namespace {

/// Forward on all rows of x. before(begin, end) is called ahead of reading those elements of x.
template <class Before>
void forward(View y, View mean, View rstd, CView x, CView w, CView b, double eps, Before before) {
    if (x.numel() == 0) return;
    static thread_local Scratch<float> ones, zeros;
    const std::int64_t cols = x.dim(-1), rows = x.numel() / cols;
    const float* const weight = values_or(w, cols, 1.0f, ones);
    const float* const bias = values_or(b, cols, 0.0f, zeros);
    const float inverse = 1.0f / static_cast<float>(cols);

    parallel_for(rows, 4 * cols, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t first = begin; first < end; first += kLanes) {
            const int some = static_cast<int>(std::min<std::int64_t>(kLanes, end - first));
            const float* const in = x.as<float>() + first * cols;
            float* const out = y.as<float>() + first * cols;
            before(first * cols, (first + some) * cols);

            Vec partial[kLanes] = {};
            for (int i = 0; i < some; ++i) partial[i] = fold(cols, Vec{}, add, in + i * cols);
            const Vec means = inverse * combine_rows(partial, add);
            float m[kLanes], r[kLanes];
            store(m, means);
            for (int i = 0; i < some; ++i)
                partial[i] = fold(
                    cols, Vec{}, [&](Vec s, Vec v) { return s + (v - m[i]) * (v - m[i]); },
                    in + i * cols);
            const Vec variances = inverse * combine_rows(partial, add);
            const Vec rstds = 1.0f / sqrt(variances + static_cast<float>(eps));
            store(r, rstds);
            for (int i = 0; i < some; ++i)
                map(
                    cols, [&](Vec v, Vec g, Vec c) { return (v - m[i]) * r[i] * g + c; },
                    out + i * cols, in + i * cols, weight, bias);
            if (mean) store_some(mean.as<float>() + first, means, some);
            if (rstd) store_some(rstd.as<float>() + first, rstds, some);
        }
    });
}

}  // namespace

void layer_norm_forward(const Stream&, View y, View mean, View rstd, CView x, CView w, CView b,
                        double eps) {
    forward(y, mean, rstd, x, w, b, eps, [](std::int64_t, std::int64_t) {});
}

void add_layer_norm_forward(const Stream&, View sum, View y, View mean, View rstd, CView x,
                            CView residual, CView w, CView b, double eps) {
    forward(y, mean, rstd, sum, w, b, eps, [&](std::int64_t begin, std::int64_t end) {
        map(
            end - begin, [](Vec u, Vec v) { return u + v; }, sum.as<float>() + begin,
            x.as<float>() + begin, residual.as<float>() + begin);
    });
}

namespace {

/// At most kLanes rows of the backward pass. With xhat = (x - mean) rstd and g = dy w:
/// dw = sum dy xhat, db = sum dy, dx = rstd (g - mean(g) - xhat mean(g xhat)).
struct Rows {
    const float *dy, *x, *mean, *rstd;
    int count;
    std::int64_t cols;

    void add_parameter_gradients(float* dw, float* db) const {
        int i = 0;
        for (; i + 2 <= count; i += 2) {  // the sums are read and written once for two rows
            const float m0 = mean[i], r0 = rstd[i], m1 = mean[i + 1], r1 = rstd[i + 1];
            const auto two_rows = [&](Vec s, Vec u0, Vec v0, Vec u1, Vec v1) {
                return s + (u0 * ((v0 - m0) * r0) + u1 * ((v1 - m1) * r1));
            };
            map(cols, two_rows, dw, dw, dy + i * cols, x + i * cols, dy + (i + 1) * cols,
                x + (i + 1) * cols);
        }
        for (; i < count; ++i) {
            const float m = mean[i], r = rstd[i];
            map(
                cols, [&](Vec s, Vec u, Vec v) { return s + u * ((v - m) * r); }, dw, dw,
                dy + i * cols, x + i * cols);
        }
        add_rows(db, dy, count, cols, cols);
    }

    void input_gradients(float* dx, const float* w, GradMode mode) const {
        Vec sums[kLanes] = {}, dots[kLanes] = {};
        for (int i = 0; i < count; ++i) {
            const float m = mean[i], r = rstd[i];
            Vec sum{}, dot{};
            const auto add_terms = [&](Vec u, Vec v, Vec k) {
                const Vec g = u * k;
                sum += g;
                dot += g * ((v - m) * r);
            };
            for_each(cols, add_terms, dy + i * cols, x + i * cols, w);
            sums[i] = sum;
            dots[i] = dot;
        }
        const float inverse = 1.0f / static_cast<float>(cols);
        float mean_g[kLanes], mean_gx[kLanes];
        store(mean_g, inverse * combine_rows(sums, add));
        store(mean_gx, inverse * combine_rows(dots, add));
        for (int i = 0; i < count; ++i) {
            const float m = mean[i], r = rstd[i], a = mean_g[i], b = mean_gx[i];
            const auto gradient = [&](Vec u, Vec v, Vec k) {
                return r * (u * k - a - (v - m) * r * b);
            };
            float* const out = dx + i * cols;
            if (mode == GradMode::Overwrite)
                map(cols, gradient, out, dy + i * cols, x + i * cols, w);
            else
                map(
                    cols, [&](Vec o, Vec u, Vec v, Vec k) { return o + gradient(u, v, k); }, out,
                    out, dy + i * cols, x + i * cols, w);
        }
    }
};

}  // namespace

void layer_norm_backward(const Stream&, View dx, View dw, View db, CView dy, CView x, CView w,
                         CView mean, CView rstd, GradMode dx_mode, GradMode param_mode) {
    const bool want_dx = dx && dx_mode != GradMode::Ignore;
    const bool want_params = (dw || db) && param_mode != GradMode::Ignore;
    const std::int64_t cols = x.dim(-1);
    if (cols == 0 || (!want_dx && !want_params)) return;
    const std::int64_t rows = x.numel() / cols;

    static thread_local Scratch<float> ones, scratch;
    const float* const weight = values_or(w, cols, 1.0f, ones);
    const Chunks chunks(rows, 4 * kLanes, 64);
    float* const partials = scratch.get(2 * chunks.count * cols);  // dw and db of every chunk

    parallel_for(chunks.count, 8 * chunks.size * cols, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t chunk = begin; chunk < end; ++chunk) {
            float* const w_sums = partials + 2 * chunk * cols;
            std::fill(w_sums, w_sums + 2 * cols, 0.0f);
            for (std::int64_t first = chunks.begin(chunk); first < chunks.end(chunk);
                 first += kLanes) {
                const std::int64_t some = std::min<std::int64_t>(kLanes, chunks.end(chunk) - first);
                const Rows rows_here{dy.as<float>() + first * cols, x.as<float>() + first * cols,
                                     mean.as<float>() + first,      rstd.as<float>() + first,
                                     static_cast<int>(some),        cols};
                if (want_params) rows_here.add_parameter_gradients(w_sums, w_sums + cols);
                if (want_dx)
                    rows_here.input_gradients(dx.as<float>() + first * cols, weight, dx_mode);
            }
        }
    });

    if (!want_params) return;
    add_rows(partials, partials + 2 * cols, chunks.count - 1, 2 * cols, 2 * cols);
    if (dw) write_gradient(dw.as<float>(), partials, cols, param_mode);
    if (db) write_gradient(db.as<float>(), partials + cols, cols, param_mode);
}

}  // namespace fovea::kernels::cpu
