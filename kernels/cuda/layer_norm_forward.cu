// LayerNorm, forward: y = (x - mean) rstd w + b over the last axis of x [rows, C], also of a sum
// x + residual that is formed and stored on the way.
//
// A team of threads owns a row, short ones two (row.cuh: four lanes of a warp for C = 96, a warp for C =
// 768, a block for long rows), and keeps it in registers: mean first, then the squares of what is left,
// which loses nothing to cancellation however far the mean is from zero. Reads x (and the residual) once,
// writes y (and the sum) once: 4 (8) bytes an element in BF16; mean and rstd are 8 bytes a row; w and b
// come from the L1 cache, which two rows ask once. No sum crosses teams: the same bits on every run.
#include "kernels/cuda/row.cuh"
#include "kernels/include/norm.h"

namespace fovea::kernels::cuda {
namespace {

/// Rows of a team.
template <class Plan>
inline constexpr int kRows = Plan::Team <= kWarp&& Plan::V* Plan::Steps <= 24 ? 2 : 1;

/// The same columns of a team's rows.
template <class Plan>
struct Columns {
    float row[kRows<Plan>][Plan::V];
};

/// x, residual, sum, y [rows, C]; mean, rstd [rows]; w, b [C]. sum, residual: Residual only.
template <class T, class Plan, bool Residual>
__global__ void __launch_bounds__(Plan::kThreads, Plan::kResident)
    normalise_rows(T* __restrict__ sum, T* __restrict__ y, float* __restrict__ mean,
                   float* __restrict__ rstd, const T* __restrict__ x,
                   const T* __restrict__ residual, const float* __restrict__ w,
                   const float* __restrict__ b, Index rows, int C, float eps) {
    constexpr int V = Plan::V, R = kRows<Plan>;
    using Item = Columns<Plan>;
    __shared__ float scratch[2][Plan::kWarps];
    const Index first = Plan::row() * R;
    // What lies behind the last row is taken to be that row, so that every lane takes part in the sums.
    Index offset[R];
#pragma unroll
    for (int r = 0; r < R; ++r) offset[r] = min(first + r, rows - 1) * C;

    auto in = make_row<Plan, Item>(C, [&](Item& v, int c) {
#pragma unroll
        for (int r = 0; r < R; ++r) load_chunk<V>(v.row[r], x + offset[r] + c);
        if constexpr (Residual) {
#pragma unroll
            for (int r = 0; r < R; ++r) {
                float other[V];
                load_chunk<V>(other, residual + offset[r] + c);
#pragma unroll
                for (int i = 0; i < V; ++i)  // the sum as it will be stored
                    v.row[r][i] = to_float(from_float<T>(v.row[r][i] + other[i]));
            }
        }
    });

    float m[R] = {}, s[R] = {};
    in.visit([&](const Item& v, int) {
#pragma unroll
        for (int r = 0; r < R; ++r)
#pragma unroll
            for (int i = 0; i < V; ++i) m[r] += v.row[r][i];
    });
#pragma unroll
    for (int r = 0; r < R; ++r) m[r] = team_reduce<Plan>(m[r], scratch[0]) / static_cast<float>(C);

    in.visit([&](const Item& v, int) {
#pragma unroll
        for (int r = 0; r < R; ++r)
#pragma unroll
            for (int i = 0; i < V; ++i) s[r] += (v.row[r][i] - m[r]) * (v.row[r][i] - m[r]);
    });
#pragma unroll
    for (int r = 0; r < R; ++r) {
        const float variance = team_reduce<Plan>(s[r], scratch[1]) / static_cast<float>(C);
        s[r] = 1.0f / sqrtf(variance + eps);
    }

    in.visit([&](const Item& v, int c) {
        float weight[V], bias[V];
        load_chunk_or<V>(weight, w, c, 1.0f);
        load_chunk_or<V>(bias, b, c, 0.0f);
#pragma unroll
        for (int r = 0; r < R; ++r) {
            if (first + r >= rows) continue;
            float out[V];
#pragma unroll
            for (int i = 0; i < V; ++i) out[i] = (v.row[r][i] - m[r]) * s[r] * weight[i] + bias[i];
            store_chunk<V>(y + offset[r] + c, out);
            if constexpr (Residual) store_chunk<V>(sum + offset[r] + c, v.row[r]);
        }
    });
#pragma unroll
    for (int r = 0; r < R; ++r) {
        if (Plan::lane() != 0 || first + r >= rows) continue;
        if (mean != nullptr) mean[first + r] = m[r];
        if (rstd != nullptr) rstd[first + r] = s[r];
    }
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
