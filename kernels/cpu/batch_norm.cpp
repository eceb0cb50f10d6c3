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
    map(cols, [&](Vec s) { return s * inverse; }, mean, mean);
    const auto square = [](Vec v, Vec m) { return (v - m) * (v - m); };
    std::int64_t r = 0;
    for (; r + 2 <= rows; r += 2)
        map(cols, [&](Vec s, Vec m, Vec a, Vec b) { return s + (square(a, m) + square(b, m)); },
            squares, squares, mean, x + r * cols, x + (r + 1) * cols);
    for (; r < rows; ++r)
        map(cols, [&](Vec s, Vec m, Vec a) { return s + square(a, m); }, squares, squares, mean,
            x + r * cols);
}

/// Rows of y from rows of x: y[r, c] = f(x[r, c], per-column values...).
template <class F, class... Pointers>
void map_rows(std::int64_t rows, std::int64_t cols, const F& f, float* y, const float* x,
              const Pointers*... columns) {
    parallel_for(rows, 2 * cols, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t r = begin; r < end; ++r) map(cols, f, y + r * cols, x + r * cols, columns...);
    });
}

}  // namespace
}  // namespace fovea::kernels::cpu
