// Softmax cross-entropy: loss and gradient from one visit of each row, which stays in the L1 cache.
#include "kernels/include/loss.h"

#include "kernels/cpu/parallel.h"
#include "kernels/cpu/softmax_row.h"

namespace fovea::kernels::cpu {
namespace {

/// What both losses need of a row: log softmax(x)_c = x_c - shift - log_sum.
struct LogSoftmaxRow {
    Vec shift, log_sum;
    LogSoftmaxRow(const float* x, std::int64_t n)
        : shift(row_max(x, n)), log_sum(log(sum_exp(x, n, shift))) {}

    Vec operator()(Vec x) const { return x - shift - log_sum; }
};

/// f(row, its logits, its gradient or null).
template <class F>
void for_rows(View dlogits, CView logits, const F& f) {
    const std::int64_t rows = logits.dim(0), cols = logits.dim(1);
    parallel_for(rows, 16 * cols, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t row = begin; row < end; ++row)
            f(row, logits.as<float>() + row * cols,
              dlogits ? dlogits.as<float>() + row * cols : nullptr);
    });
}

}  // namespace

void softmax_cross_entropy(const Stream&, View loss, View dlogits, CView logits, CView labels,
                           double smoothing) {
    const std::int64_t cols = logits.dim(1);
    const float off = static_cast<float>(smoothing / static_cast<double>(cols));
    const float extra = static_cast<float>(1.0 - smoothing);  // the label's weight beyond `off`

    for_rows(dlogits, logits, [&](std::int64_t row, const float* x, float* gradient) {
        const std::int64_t label = labels.as<std::int64_t>()[row];
        const LogSoftmaxRow log_p(x, cols);
        float cost = -extra * log_p(splat(x[label]))[0];
        if (off > 0.0f)  // otherwise a logit of -infinity must not count
            cost -= off * sum_of_lanes(fold(
                              cols, Vec{}, [&](Vec s, Vec v) { return s + log_p(v); }, x))[0];
        loss.as<float>()[row] = cost;
        if (!gradient) return;
        map(
            cols, [&](Vec v) { return exp_flush(log_p(v)) - off; }, gradient, x);
        gradient[label] -= extra;
    });
}

void soft_target_cross_entropy(const Stream&, View loss, View dlogits, CView logits,
                               CView targets) {
    const std::int64_t cols = logits.dim(1);
    for_rows(dlogits, logits, [&](std::int64_t row, const float* x, float* gradient) {
        const float* const t = targets.as<float>() + row * cols;
        const LogSoftmaxRow log_p(x, cols);
        Vec mass{}, cost{};
        for_each(
            cols,
            [&](Vec v, Vec weight) {
                mass += weight;
                cost -= weight == 0.0f ? Vec{} : weight * log_p(v);
            },
            x, t);
        loss.as<float>()[row] = sum_of_lanes(cost)[0];
        if (!gradient) return;
        mass = sum_of_lanes(mass);
        map(
            cols, [&](Vec v, Vec weight) { return exp_flush(log_p(v)) * mass - weight; }, gradient,
            x, t);
    });
}

}  // namespace fovea::kernels::cpu
