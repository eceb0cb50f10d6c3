// Softmax cross-entropy, loss and gradient in one launch. logits [B, C], with p = softmax(logits):
//     loss = -sum_c t_c log p_c,   dlogits = p sum(t) - t
// t is (1 - smoothing) onehot(label) + smoothing / C, or given. A team of threads owns a row and keeps
// it in registers (row.cuh): the logits are read once, dlogits written once, with one rounding from
// float to T; 4 bytes an element in BF16, and 4 more for given targets. Fixed order: the same bits on
// every run.
//
// With labels the sum runs over the other classes alone. A confident and correct row then loses nothing:
// its loss is log(1 + others), and its gradient at the label -others / sum, not 1 - 0.9999.
#include "kernels/cuda/softmax_row.cuh"
#include "kernels/include/loss.h"

namespace fovea::kernels::cuda {
namespace {

/// t at the label and elsewhere; miss = 1 - on.
struct Targets {
    float on, off, miss;
};

/// loss [B] F32; dlogits [B, C] or null; labels [B]. A label outside [0, C) counts as none.
template <class T, class Plan>
__global__ void __launch_bounds__(Plan::kThreads, Plan::kResident)
    label_rows(float* __restrict__ loss, T* __restrict__ dlogits, const T* __restrict__ logits,
               const std::int64_t* __restrict__ labels, Targets t, Index rows, int C) {
    constexpr int V = Plan::V;
    __shared__ float scratch[2][Plan::kWarps], loss_scratch[Plan::kWarps];
    // Teams behind the last row go along with it, so that every lane takes part in the sums.
    const Index row = Plan::row(), at = row < rows ? row : rows - 1, offset = at * C;
    const bool known = labels[at] >= 0 && labels[at] < C;
    const int label = known ? static_cast<int>(labels[at]) : -1;

    auto in =
        make_row<Plan>(C, [&](float(&v)[V], int c) { load_chunk<V>(v, logits + offset + c); });
    constexpr bool kept = decltype(in)::kept;
    const RowExponents others = row_exponents<Plan>(
        in, scratch, [&](float& z, int c) { return c == label ? 0.0f : expf(z); });
    const float z_label = known ? to_float(logits[offset + label]) - others.shift : -INFINITY;
    const float e_label = expf(z_label), sum = others.sum + e_label, log_sum = logf(sum);

    float misses = 0.0f;  // off times the other classes' -log p
    if (t.off != 0.0f) {
        in.visit([&](const float(&v)[V], int c) {
#pragma unroll
            for (int i = 0; i < V; ++i)
                if (c + i != label)
                    misses += t.off * (log_sum - (kept ? v[i] : v[i] - others.shift));
        });
        misses = team_reduce<Plan>(misses, loss_scratch);
    }
    if (row >= rows) return;
    if (Plan::lane() == 0) {
        const float hit = z_label == 0.0f ? log1pf(others.sum) : log_sum - z_label;
        loss[row] = known ? misses + t.on * hit : misses;
    }
    if (dlogits == nullptr) return;

    const float inverse = 1.0f / sum;
    in.visit([&](const float(&v)[V], int c) {
        float out[V];
#pragma unroll
        for (int i = 0; i < V; ++i) {
            const float e = expf(kept ? v[i] : v[i] - others.shift);
            out[i] = c + i == label ? (e_label * t.miss - others.sum * t.on) * inverse
                                    : e * inverse - t.off;
        }
        store_chunk<V>(dlogits + offset + c, out);
    });
}

/// targets [B, C] F32.
template <class T, class Plan>
__global__ void __launch_bounds__(Plan::kThreads, Plan::kResident)
    target_rows(float* __restrict__ loss, T* __restrict__ dlogits, const T* __restrict__ logits,
                const float* __restrict__ targets, Index rows, int C) {
    constexpr int V = Plan::V;
    __shared__ float scratch[2][Plan::kWarps], loss_scratch[2][Plan::kWarps];
    const Index row = Plan::row(), offset = (row < rows ? row : rows - 1) * C;

    auto in =
        make_row<Plan>(C, [&](float(&v)[V], int c) { load_chunk<V>(v, logits + offset + c); });
    constexpr bool kept = decltype(in)::kept;
    const RowExponents e = row_exponents<Plan>(in, scratch, [](float& z, int) { return expf(z); });
    const float log_sum = logf(e.sum);

    float mass = 0.0f, total = 0.0f;
    in.visit([&](const float(&v)[V], int c) {
        float t[V];
        load_chunk<V>(t, targets + offset + c);
#pragma unroll
        for (int i = 0; i < V; ++i) {
            mass += t[i];
            // A class of no weight may have logit -inf.
            if (t[i] != 0.0f) total += t[i] * (log_sum - (kept ? v[i] : v[i] - e.shift));
        }
    });
    mass = team_reduce<Plan>(mass, loss_scratch[0]);
    total = team_reduce<Plan>(total, loss_scratch[1]);
    if (row >= rows) return;
    if (Plan::lane() == 0) loss[row] = total;
    if (dlogits == nullptr) return;

    const float scale = mass / e.sum;
    in.visit([&](const float(&v)[V], int c) {
        float t[V], out[V];
        load_chunk<V>(t, targets + offset + c);
#pragma unroll
        for (int i = 0; i < V; ++i) out[i] = expf(kept ? v[i] : v[i] - e.shift) * scale - t[i];
        store_chunk<V>(dlogits + offset + c, out);
    });
}

}  // namespace

void softmax_cross_entropy(const Stream& stream, View loss, View dlogits, CView logits,
                           CView labels, double smoothing) {
    if (logits.numel() == 0) return;
    const Index rows = logits.dim(0), C = logits.dim(1);
    const double off = smoothing / static_cast<double>(C);
    const Targets t{static_cast<float>(1.0 - smoothing + off), static_cast<float>(off),
                    static_cast<float>(smoothing - off)};
    with_float(logits.dtype, [&]<class T>(std::type_identity<T>) {
        const bool fits = chunks_fit<T>(C, dlogits.as<T>(), logits.as<T>());
        with_row_plan<T, 6>(C, fits, [&]<class Plan>(Plan) {
            launch(stream, Plan::launch(rows), label_rows<T, Plan>, loss.as<float>(),
                   dlogits.as<T>(), logits.as<T>(), labels.as<std::int64_t>(), t, rows,
                   static_cast<int>(C));
        });
    });
}

void soft_target_cross_entropy(const Stream& stream, View loss, View dlogits, CView logits,
                               CView targets) {
    if (logits.numel() == 0) return;
    const Index rows = logits.dim(0), C = logits.dim(1);
    with_float(logits.dtype, [&]<class T>(std::type_identity<T>) {
        const bool fits = chunks_fit<T>(C, dlogits.as<T>(), logits.as<T>(), targets.as<float>());
        with_row_plan<T, 6>(C, fits, [&]<class Plan>(Plan) {
            launch(stream, Plan::launch(rows), target_rows<T, Plan>, loss.as<float>(),
                   dlogits.as<T>(), logits.as<T>(), targets.as<float>(), rows, static_cast<int>(C));
        });
    });
}

}  // namespace fovea::kernels::cuda
