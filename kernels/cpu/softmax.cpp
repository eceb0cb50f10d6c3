// Softmax and log-softmax over rows that stay in the L1 cache between their passes.
#include "kernels/include/softmax.h"

#include "kernels/cpu/parallel.h"
#include "kernels/cpu/softmax_row.h"

namespace fovea::kernels::cpu {
namespace {

/// f(offset of the row, C) for every row.
template <class F>
void for_rows(CView x, const F& f) {
    if (x.numel() == 0) return;
    const std::int64_t cols = x.dim(-1), rows = x.numel() / cols;
    parallel_for(rows, 8 * cols, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t row = begin; row < end; ++row) f(row * cols, cols);
    });
}

}  // namespace

void softmax_forward(const Stream&, View y, CView x) {
    for_rows(x, [&](std::int64_t at, std::int64_t cols) {
        float* const out = y.as<float>() + at;
        const float* const in = x.as<float>() + at;
        const Vec scale = inverse_or_zero(exp_row(out, in, cols, row_max(in, cols)));
        map(
            cols, [&](Vec e) { return e * scale; }, out, out);
    });
}

void softmax_backward(const Stream&, View dx, CView dy, CView y) {
    for_rows(y, [&](std::int64_t at, std::int64_t cols) {
        const float *const g = dy.as<float>() + at, *const p = y.as<float>() + at;
        Vec dot{};
        for_each(
            cols, [&](Vec u, Vec v) { dot += u * v; }, g, p);
        dot = sum_of_lanes(dot);
        map(
            cols, [&](Vec u, Vec v) { return v * (u - dot); }, dx.as<float>() + at, g, p);
    });
}

void log_softmax_forward(const Stream&, View y, CView x) {
    for_rows(x, [&](std::int64_t at, std::int64_t cols) {
        const float* const in = x.as<float>() + at;
        const Vec shift = row_max(in, cols);
        const Vec log_sum = log(sum_exp(in, cols, shift));
        map(
            cols, [&](Vec v) { return v - shift - log_sum; }, y.as<float>() + at, in);
    });
}

void log_softmax_backward(const Stream&, View dx, CView dy, CView y) {
    for_rows(y, [&](std::int64_t at, std::int64_t cols) {
        const float *const g = dy.as<float>() + at, *const p = y.as<float>() + at;
        Vec sum{};
        for_each(
            cols, [&](Vec u) { sum += u; }, g);
        sum = sum_of_lanes(sum);
        map(
            cols, [&](Vec u, Vec v) { return u - exp_flush(v) * sum; }, dx.as<float>() + at, g, p);
    });
}

}  // namespace fovea::kernels::cpu
