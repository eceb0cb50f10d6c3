// LayerNorm, forward: y = (x - mean) rstd w + b over the last axis of x [rows, C], also of a sum
// x + residual that is formed and stored on the way.
//
// A team of threads owns a row, short ones two (row.cuh: four lanes of a warp for C = 96, a warp for
// C = 768, a block for long rows), and keeps it in registers as it lies in memory: mean first, then the
// squares of what is left, which loses nothing to cancellation however far the mean is from zero. Reads
// x (and the residual) once, writes y (and the sum) once: 4 (8) bytes an element in BF16; mean and rstd
// are 8 bytes a row; w and b come from the L1 cache, which two rows ask once, in whole sectors
// (lane_pairs.cuh). No sum crosses teams: the same bits on every run.
#include "kernels/cuda/lane_pairs.cuh"
#include "kernels/cuda/row.cuh"
#include "kernels/include/norm.h"

namespace fovea::kernels::cuda {
namespace {

/// Rows of a team.
template <class Plan>
inline constexpr int kRows = Plan::Team <= kWarp&& Plan::V* Plan::Steps <= 24 ? 2 : 1;

/// Blocks on a multiprocessor, at least: 64 registers a thread, 72 with a residual, 96 where rows alone
/// take half of them.
template <class Plan, bool Residual>
inline constexpr int kResident = (kRows<Plan> * Plan::Steps * (Plan::V == 1 ? 1 : 4) > 24 ? 640
                                  : Residual                                              ? 896
                                                                                          : 1024) /
                                 Plan::kThreads;

/// The same columns of a team's rows.
template <class T, class Plan>
struct Columns {
    KeptChunk<T, Plan::V> row[kRows<Plan>];
};

/// x, residual, sum, y [rows, C]; mean, rstd [rows]; w, b [C]. sum, residual: Residual only.
template <class T, class Plan, bool Residual>
__global__ void __launch_bounds__(Plan::kThreads, (kResident<Plan, Residual>))
    normalise_rows(T* __restrict__ sum, T* __restrict__ y, float* __restrict__ mean,
                   float* __restrict__ rstd, const T* __restrict__ x,
                   const T* __restrict__ residual, const float* __restrict__ w,
                   const float* __restrict__ b, Index rows, int C, float eps) {
    constexpr int V = Plan::V, R = kRows<Plan>;
    using Item = Columns<T, Plan>;
    __shared__ float scratch[2][Plan::kWarps];
    const Index first = Plan::row() * R;
    // What lies behind the last row is taken to be that row, so that every lane takes part in the sums.
    Index offset[R];
#pragma unroll
    for (int r = 0; r < R; ++r) offset[r] = min(first + r, rows - 1) * C;

    auto in = make_row<Plan, Item>(C, [&](Item& v, int c) {
#pragma unroll
        for (int r = 0; r < R; ++r) v.row[r].fetch(x + offset[r] + c);
        if constexpr (Residual) {
#pragma unroll
            for (int r = 0; r < R; ++r) {
                float total[V], other[V];
                v.row[r].convert(total);
                load_chunk<V>(other, residual + offset[r] + c);
#pragma unroll
                for (int i = 0; i < V; ++i) total[i] += other[i];
                v.row[r].round(total);  // the sum as it will be stored
            }
        }
    });

    float m[R] = {}, s[R] = {};
    in.visit([&](const Item& v, int) {
#pragma unroll
        for (int r = 0; r < R; ++r) {
            float e[V];
            v.row[r].convert(e);
#pragma unroll
            for (int i = 0; i < V; ++i) m[r] += e[i];
        }
    });
#pragma unroll
    for (int r = 0; r < R; ++r) m[r] = team_reduce<Plan>(m[r], scratch[0]) / static_cast<float>(C);

    in.visit([&](const Item& v, int) {
#pragma unroll
        for (int r = 0; r < R; ++r) {
            float e[V];
            v.row[r].convert(e);
#pragma unroll
            for (int i = 0; i < V; ++i) s[r] += (e[i] - m[r]) * (e[i] - m[r]);
        }
    });
#pragma unroll
    for (int r = 0; r < R; ++r) {
        const float variance = team_reduce<Plan>(s[r], scratch[1]) / static_cast<float>(C);
        s[r] = 1.0f / sqrtf(variance + eps);
    }

    in.visit_together([&](const Item& v, int c) {
        float weight[V], bias[V];
        load_together_or<V>(weight, w, c, C, 1.0f);
        load_together_or<V>(bias, b, c, C, 0.0f);
#pragma unroll
        for (int r = 0; r < R; ++r) {
            if (c >= C || first + r >= rows) continue;
            float e[V];
            v.row[r].convert(e);
            if constexpr (Residual) store_chunk<V>(sum + offset[r] + c, e);
#pragma unroll
            for (int i = 0; i < V; ++i) e[i] = (e[i] - m[r]) * s[r] * weight[i] + bias[i];
            store_chunk<V>(y + offset[r] + c, e);
        }
    });
    // Lane r gives the numbers of row r, so that a warp's lie side by side.
#pragma unroll
    for (int r = 1; r < R; ++r)
        if (Plan::lane() == r) m[0] = m[r], s[0] = s[r];
    const Index row = first + Plan::lane();
    if (Plan::lane() >= R || row >= rows) return;
    if (mean != nullptr) mean[row] = m[0];
    if (rstd != nullptr) rstd[row] = s[0];
}

void run(const Stream& stream, View sum, View y, View mean, View rstd, CView x, CView residual,
         CView w, CView b, double eps) {
    if (x.numel() == 0) return;
    const Index C = x.dim(-1), rows = x.numel() / C;
    with_float(x.dtype, [&]<class T>(std::type_identity<T>) {
        const bool fits = chunks_fit<T>(C, sum.as<T>(), y.as<T>(), x.as<T>(), residual.as<T>(),
                                        w.as<float>(), b.as<float>());
        with_row_plan<T, 6>(C, fits, [&]<class Plan>(Plan) {
            with_bool(static_cast<bool>(residual), [&]<bool R>(std::bool_constant<R>) {
                launch(stream, Plan::launch(ceil_div(rows, kRows<Plan>)),
                       normalise_rows<T, Plan, R>, sum.as<T>(), y.as<T>(), mean.as<float>(),
                       rstd.as<float>(), x.as<T>(), residual.as<T>(), w.as<float>(), b.as<float>(),
                       rows, static_cast<int>(C), static_cast<float>(eps));
            });
        });
    });
}

}  // namespace

void layer_norm_forward(const Stream& stream, View y, View mean, View rstd, CView x, CView w,
                        CView b, double eps) {
    run(stream, {}, y, mean, rstd, x, {}, w, b, eps);
}

void add_layer_norm_forward(const Stream& stream, View sum, View y, View mean, View rstd, CView x,
                            CView residual, CView w, CView b, double eps) {
    run(stream, sum, y, mean, rstd, x, residual, w, b, eps);
}

}  // namespace fovea::kernels::cuda
