// LayerNorm. A row is read from memory once and then stays in the L1 cache: mean, variance about that
// mean (two passes lose nothing to cancellation), output.
#include "kernels/cpu/columns.h"
#include "kernels/cpu/parallel.h"
#include "kernels/include/norm.h"

namespace fovea::kernels::cpu {
namespace {

Vec add(Vec a, Vec b) { return a + b; }

}  // namespace

void layer_norm_forward(const Stream&, View y, View mean, View rstd, CView x, CView w, CView b,
                        double eps) {
    if (x.numel() == 0) return;
    static thread_local Scratch<float> ones, zeros;
    const std::int64_t cols = x.dim(-1), rows = x.numel() / cols;
    const float* const weight = values_or(w, cols, 1.0f, ones);
    const float* const bias = values_or(b, cols, 0.0f, zeros);
    const float inverse = 1.0f / static_cast<float>(cols);

    parallel_for(rows, 4 * cols, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t row = begin; row < end; ++row) {
            const float* const in = x.as<float>() + row * cols;
            float* const out = y.as<float>() + row * cols;
            const Vec m = inverse * sum_of_lanes(fold(cols, Vec{}, add, in));
            const auto add_square = [&](Vec s, Vec v) { return s + (v - m) * (v - m); };
            const Vec variance = inverse * sum_of_lanes(fold(cols, Vec{}, add_square, in));
            const Vec r = 1.0f / sqrt(variance + static_cast<float>(eps));
            map(cols, [&](Vec v, Vec g, Vec c) { return (v - m) * r * g + c; }, out, in, weight,
                bias);
            if (mean) mean.as<float>()[row] = m[0];
            if (rstd) rstd.as<float>()[row] = r[0];
        }
    });
}

void layer_norm_backward(const Stream&, View dx, View dw, View db, CView dy, CView x, CView w,
                         CView mean, CView rstd, GradMode dx_mode, GradMode param_mode) {
    const bool want_dx = dx && dx_mode != GradMode::Ignore;
    const bool want_params = (dw || db) && param_mode != GradMode::Ignore;
    const std::int64_t cols = x.dim(-1);
    if (cols == 0 || (!want_dx && !want_params)) return;
    const std::int64_t rows = x.numel() / cols;

    static thread_local Scratch<float> ones, scratch;
    const float* const weight = values_or(w, cols, 1.0f, ones);
    const float inverse = 1.0f / static_cast<float>(cols);
    const Chunks chunks(rows, 16, 64);
    float* const partials = scratch.get(2 * chunks.count * cols);  // dw and db of every chunk

    // With xhat = (x - mean) rstd and g = dy w: dx = rstd (g - mean(g) - xhat mean(g xhat)).
    const auto input_gradient = [&](float* out, const float* d, const float* in, Vec m, Vec r) {
        Vec sum{}, dot{};
        for_each(cols,
                 [&](Vec u, Vec v, Vec k) {
                     const Vec g = u * k;
                     sum += g;
                     dot += g * ((v - m) * r);
                 },
                 d, in, weight);
        sum = inverse * sum_of_lanes(sum);
        dot = inverse * sum_of_lanes(dot);
        const auto gradient = [&](Vec u, Vec v, Vec k) {
            return r * (u * k - sum - (v - m) * r * dot);
        };
        if (dx_mode == GradMode::Overwrite)
            map(cols, gradient, out, d, in, weight);
        else
            map(cols, [&](Vec o, Vec u, Vec v, Vec k) { return o + gradient(u, v, k); }, out, out,
                d, in, weight);
    };

    parallel_for(chunks.count, 8 * chunks.size * cols, [&](std::int64_t first, std::int64_t last) {
        for (std::int64_t chunk = first; chunk < last; ++chunk) {
            float* const w_sums = partials + 2 * chunk * cols;
            float* const b_sums = w_sums + cols;
            std::fill(w_sums, w_sums + 2 * cols, 0.0f);
            for (std::int64_t row = chunks.begin(chunk); row < chunks.end(chunk); ++row) {
                const float* const d = dy.as<float>() + row * cols;
                const float* const in = x.as<float>() + row * cols;
                const Vec m = splat(mean.as<float>()[row]), r = splat(rstd.as<float>()[row]);
                if (want_params) {
                    map(cols, [&](Vec s, Vec u, Vec v) { return s + u * ((v - m) * r); }, w_sums,
                        w_sums, d, in);
                    add_row(b_sums, d, cols);
                }
                if (want_dx) input_gradient(dx.as<float>() + row * cols, d, in, m, r);
            }
        }
    });

    if (!want_params) return;
    add_rows(partials, partials + 2 * cols, chunks.count - 1, 2 * cols, 2 * cols);
    if (dw) write_gradient(dw.as<float>(), partials, cols, param_mode);
    if (db) write_gradient(db.as<float>(), partials + cols, cols, param_mode);
}

}  // namespace fovea::kernels::cpu
