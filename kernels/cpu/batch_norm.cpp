// BatchNorm over the rows of [rows, C]. Statistics: every chunk of rows, small enough for the L2 cache,
// gets its mean and then its squared deviations from it; chunks are merged in order (Chan, Golub and
// LeVeque 1983). So x is read from memory once for statistics and once for the output, and nothing
// cancels however far the mean is from zero.
#include <cmath>

#include "kernels/cpu/columns.h"
#include "kernels/cpu/parallel.h"
#include "kernels/include/norm.h"

namespace fovea::kernels::cpu {
namespace {

/// Chunks of about 64 KiB.
Chunks row_chunks(std::int64_t rows, std::int64_t cols) {
    return Chunks(rows, std::max<std::int64_t>(8, 16384 / cols), 1024);
}

/// mean[c] and squares[c] = sum of (x - mean)^2 down column c of one chunk.
void chunk_moments(float* mean, float* squares, const float* x, std::int64_t rows,
                   std::int64_t cols) {
    std::fill(mean, mean + cols, 0.0f);
    std::fill(squares, squares + cols, 0.0f);
    add_rows(mean, x, rows, cols, cols);
    const float inverse = 1.0f / static_cast<float>(rows);
    map(
        cols, [&](Vec s) { return s * inverse; }, mean, mean);
    const auto square = [](Vec v, Vec m) { return (v - m) * (v - m); };
    std::int64_t r = 0;
    for (; r + 2 <= rows; r += 2)
        map(
            cols, [&](Vec s, Vec m, Vec a, Vec b) { return s + (square(a, m) + square(b, m)); },
            squares, squares, mean, x + r * cols, x + (r + 1) * cols);
    for (; r < rows; ++r)
        map(
            cols, [&](Vec s, Vec m, Vec a) { return s + square(a, m); }, squares, squares, mean,
            x + r * cols);
}

/// Rows of y from rows of x: y[r, c] = f(x[r, c], per-column values...).
template <class F, class... Pointers>
void map_rows(std::int64_t rows, std::int64_t cols, const F& f, float* y, const float* x,
              const Pointers*... columns) {
    parallel_for(rows, 2 * cols, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t r = begin; r < end; ++r)
            map(cols, f, y + r * cols, x + r * cols, columns...);
    });
}

/// Biased variance and mean of every column, from the chunks in order.
void batch_moments(double* mean, double* variance, CView x, std::int64_t rows, std::int64_t cols) {
    static thread_local Scratch<float> scratch;
    const Chunks chunks = row_chunks(rows, cols);
    float* const partials = scratch.get(2 * chunks.count * cols);
    parallel_for(chunks.count, 2 * chunks.size * cols, [&](std::int64_t first, std::int64_t last) {
        for (std::int64_t i = first; i < last; ++i)
            chunk_moments(partials + 2 * i * cols, partials + (2 * i + 1) * cols,
                          x.as<float>() + chunks.begin(i) * cols, chunks.end(i) - chunks.begin(i),
                          cols);
    });
    std::fill(mean, mean + cols, 0.0);
    std::fill(variance, variance + cols, 0.0);
    for (std::int64_t i = 0; i < chunks.count; ++i) {
        const float* const m = partials + 2 * i * cols;
        const float* const squares = m + cols;
        const double before = static_cast<double>(chunks.begin(i));
        const double after = static_cast<double>(chunks.end(i)), here = after - before;
        for (std::int64_t c = 0; c < cols; ++c) {
            const double delta = static_cast<double>(m[c]) - mean[c];
            mean[c] += delta * (here / after);
            variance[c] +=
                static_cast<double>(squares[c]) + delta * delta * (before * here / after);
        }
    }
    for (std::int64_t c = 0; c < cols; ++c) variance[c] /= static_cast<double>(rows);
}

/// dw = sum of dy xhat and db = sum of dy down the columns, xhat = (x - mean) rstd, into sums [2, C].
void parameter_sums(float* sums, CView dy, CView x, const float* mean, const float* rstd,
                    std::int64_t rows, std::int64_t cols) {
    static thread_local Scratch<float> scratch;
    const Chunks chunks = row_chunks(rows, cols);
    float* const partials = scratch.get(2 * chunks.count * cols);
    parallel_for(chunks.count, 2 * chunks.size * cols, [&](std::int64_t first, std::int64_t last) {
        for (std::int64_t i = first; i < last; ++i) {
            float* const w_sums = partials + 2 * i * cols;
            float* const b_sums = w_sums + cols;
            const std::int64_t begin = chunks.begin(i), end = chunks.end(i);
            const float* const g = dy.as<float>() + begin * cols;
            const float* const in = x.as<float>() + begin * cols;
            std::fill(w_sums, w_sums + 2 * cols, 0.0f);
            std::int64_t r = 0;
            for (; r + begin + 2 <= end; r += 2)
                map(
                    cols,
                    [](Vec s, Vec m, Vec u0, Vec v0, Vec u1, Vec v1) {
                        return s + (u0 * (v0 - m) + u1 * (v1 - m));
                    },
                    w_sums, w_sums, mean, g + r * cols, in + r * cols, g + (r + 1) * cols,
                    in + (r + 1) * cols);
            for (; r + begin < end; ++r)
                map(
                    cols, [](Vec s, Vec m, Vec u, Vec v) { return s + u * (v - m); }, w_sums,
                    w_sums, mean, g + r * cols, in + r * cols);
            add_rows(b_sums, g, end - begin, cols, cols);
        }
    });
    add_rows(partials, partials + 2 * cols, chunks.count - 1, 2 * cols, 2 * cols);
    map(
        cols, [](Vec s, Vec r) { return s * r; }, sums, partials, rstd);
    std::copy(partials + cols, partials + 2 * cols, sums + cols);
}

/// 1 / sqrt(variance + eps).
void reciprocal_deviation(float* rstd, const float* variance, std::int64_t cols, double eps) {
    for (std::int64_t c = 0; c < cols; ++c)
        rstd[c] = static_cast<float>(1.0 / std::sqrt(static_cast<double>(variance[c]) + eps));
}

void write_parameter_gradients(View dw, View db, const float* sums, std::int64_t cols,
                               GradMode mode) {
    if (mode == GradMode::Ignore) return;
    if (dw) write_gradient(dw.as<float>(), sums, cols, mode);
    if (db) write_gradient(db.as<float>(), sums + cols, cols, mode);
}

}  // namespace

void batch_norm_forward_train(const Stream&, View y, View mean, View rstd, View running_mean,
                              View running_var, CView x, CView w, CView b, double eps,
                              double momentum) {
    if (x.numel() == 0) return;
    static thread_local Scratch<float> ones, zeros;
    static thread_local Scratch<double> moments;
    const std::int64_t cols = x.dim(-1), rows = x.numel() / cols;
    double* const batch_mean = moments.get(2 * cols);
    double* const batch_var = batch_mean + cols;
    batch_moments(batch_mean, batch_var, x, rows, cols);

    float* const m = mean.as<float>();
    float* const r = rstd.as<float>();
    const double unbiased =
        static_cast<double>(rows) / static_cast<double>(std::max<std::int64_t>(1, rows - 1));
    const auto blend = [&](float& running, double batch) {
        running =
            static_cast<float>((1.0 - momentum) * static_cast<double>(running) + momentum * batch);
    };
    for (std::int64_t c = 0; c < cols; ++c) {
        m[c] = static_cast<float>(batch_mean[c]);
        r[c] = static_cast<float>(1.0 / std::sqrt(batch_var[c] + eps));
        if (running_mean) blend(running_mean.as<float>()[c], batch_mean[c]);
        if (running_var) blend(running_var.as<float>()[c], batch_var[c] * unbiased);
    }
    map_rows(
        rows, cols, [](Vec v, Vec mu, Vec s, Vec g, Vec shift) { return (v - mu) * s * g + shift; },
        y.as<float>(), x.as<float>(), m, r, values_or(w, cols, 1.0f, ones),
        values_or(b, cols, 0.0f, zeros));
}

void batch_norm_forward_eval(const Stream&, View y, CView x, CView w, CView b, CView running_mean,
                             CView running_var, double eps) {
    if (x.numel() == 0) return;
    static thread_local Scratch<float> ones, zeros, deviation;
    const std::int64_t cols = x.dim(-1), rows = x.numel() / cols;
    float* const rstd = deviation.get(cols);
    reciprocal_deviation(rstd, running_var.as<float>(), cols, eps);
    map_rows(
        rows, cols, [](Vec v, Vec mu, Vec s, Vec g, Vec shift) { return (v - mu) * s * g + shift; },
        y.as<float>(), x.as<float>(), running_mean.as<float>(), rstd,
        values_or(w, cols, 1.0f, ones), values_or(b, cols, 0.0f, zeros));
}

void batch_norm_backward_train(const Stream&, View dx, View dw, View db, CView dy, CView x, CView w,
                               CView mean, CView rstd, GradMode param_mode) {
    const std::int64_t cols = x.dim(-1);
    if (cols == 0) return;
    static thread_local Scratch<float> ones, scratch;
    const std::int64_t rows = x.numel() / cols;
    float* const sums = scratch.get(5 * cols);
    const float* const m = mean.as<float>();
    const float* const r = rstd.as<float>();
    parameter_sums(sums, dy, x, m, r, rows, cols);
    write_parameter_gradients(dw, db, sums, cols, param_mode);
    if (!dx) return;

    // dx = w rstd (dy - mean(dy) - xhat mean(dy xhat)), with the columns' constants worked out once.
    float *const scale = sums + 2 * cols, *const offset = scale + cols,
                 *const slope = offset + cols;
    const float inverse = 1.0f / static_cast<float>(rows);
    map(
        cols, [](Vec g, Vec s) { return g * s; }, scale, values_or(w, cols, 1.0f, ones), r);
    map(
        cols, [&](Vec sum) { return sum * inverse; }, offset, sums + cols);
    map(
        cols, [&](Vec sum, Vec s) { return sum * inverse * s; }, slope, sums, r);
    const float* const in = x.as<float>();
    const float* const g = dy.as<float>();
    parallel_for(rows, 3 * cols, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t row = begin; row < end; ++row)
            map(
                cols,
                [](Vec u, Vec v, Vec mu, Vec a, Vec o, Vec k) {
                    return a * (u - o - (v - mu) * k);
                },
                dx.as<float>() + row * cols, g + row * cols, in + row * cols, m, scale, offset,
                slope);
    });
}

void batch_norm_backward_eval(const Stream&, View dx, View dw, View db, CView dy, CView x, CView w,
                              CView running_mean, CView running_var, double eps,
                              GradMode param_mode) {
    const std::int64_t cols = x.dim(-1);
    if (cols == 0) return;
    static thread_local Scratch<float> ones, scratch;
    const std::int64_t rows = x.numel() / cols;
    float* const rstd = scratch.get(4 * cols);
    float *const scale = rstd + cols, *const sums = scale + cols;
    reciprocal_deviation(rstd, running_var.as<float>(), cols, eps);
    if ((dw || db) && param_mode != GradMode::Ignore) {
        parameter_sums(sums, dy, x, running_mean.as<float>(), rstd, rows, cols);
        write_parameter_gradients(dw, db, sums, cols, param_mode);
    }
    if (!dx) return;
    map(
        cols, [](Vec g, Vec s) { return g * s; }, scale, values_or(w, cols, 1.0f, ones), rstd);
    map_rows(
        rows, cols, [](Vec u, Vec a) { return u * a; }, dx.as<float>(), dy.as<float>(), scale);
}

}  // namespace fovea::kernels::cpu
