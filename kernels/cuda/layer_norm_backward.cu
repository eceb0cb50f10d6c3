// LayerNorm, backward. With xhat = (x - mean) rstd and g = dy w:
//     dx = rstd (g - mean(g) - xhat mean(g xhat)),   dw = sum of dy xhat,   db = sum of dy
// over C and over the rows, respectively. x, dy, dx [rows, C].
//
// A fixed number of blocks goes through the rows; a team of threads holds a row of x and of dy in
// registers (row.cuh) and every lane owns the same columns of each of its rows, so it keeps their dw
// and db in registers too. At the end the teams of a block are added up, every block writes its
// partial sums, and a second kernel adds those in order: no atomics, the same bits on every run.
// x and dy are read once: 6 bytes an element in BF16 (8 with dx accumulated); the partials are 1 to 3 %
// of that for 50,432 rows.
#include "kernels/cuda/partial_sums.h"
#include "kernels/cuda/row.cuh"
#include "kernels/cuda/workspace.h"
#include "kernels/include/norm.h"

namespace fovea::kernels::cuda {
namespace {

/// Threads of a block: eight warps, or one team where that is a block of its own.
template <class Plan>
inline constexpr int kThreads = Plan::Team <= kWarp ? 256 : Plan::Team;
template <class Plan>
inline constexpr int kTeams = kThreads<Plan> / Plan::Team;

/// Two sums over a team, in all its lanes. The rounds of a loop take turns with two scratch arrays.
template <class Plan>
__device__ __forceinline__ void reduce_two(float& a, float& b, float (*scratch)[kWarp]) {
    a = team_reduce<Plan>(a, scratch[0]);
    b = team_reduce<Plan>(b, scratch[1]);
}

/// Columns that this thread owns, step by step.
template <class Plan>
__device__ __forceinline__ int column_of(int step) {
    return (static_cast<int>(threadIdx.x) % Plan::Team + step * Plan::Team) * Plan::V;
}

/// out[column] = sums of all teams, in order. The chunks of a team lie apart in shared memory, so that
/// neither the lanes of a warp here nor those that read columns meet in a bank.
template <class Plan>
__device__ __forceinline__ void store_block_sums(float* __restrict__ out,
                                                 float (&sums)[Plan::Steps][Plan::V], int C) {
    constexpr int V = Plan::V, Team = Plan::Team, Steps = Plan::Steps;
    if constexpr (Team > kWarp) {
#pragma unroll
        for (int s = 0; s < Steps; ++s)
            if (column_of<Plan>(s) < C) store_chunk<V>(out + column_of<Plan>(s), sums[s]);
    } else {
        constexpr int kWarps = kThreads<Plan> / kWarp;
        constexpr int pitch = (Team * Steps + kWarp - 1) / kWarp * kWarp + kWarp / V;
        __shared__ float of_warp[kWarps][V][pitch];
        const int warp = static_cast<int>(threadIdx.x) / kWarp;
        const int lane = static_cast<int>(threadIdx.x) % kWarp;
        __syncthreads();  // the other gradient's sums have been read
#pragma unroll
        for (int s = 0; s < Steps; ++s)
#pragma unroll
            for (int i = 0; i < V; ++i) {
                float sum = sums[s][i];
#pragma unroll
                for (int offset = Team; offset < kWarp; offset *= 2)
                    sum += __shfl_xor_sync(kAllLanes, sum, offset);
                if (lane < Team) of_warp[warp][i][lane + s * Team] = sum;
            }
        __syncthreads();
        for (int c = static_cast<int>(threadIdx.x); c < C; c += kThreads<Plan>) {
            float sum = of_warp[0][c % V][c / V];
#pragma unroll
            for (int w = 1; w < kWarps; ++w) sum += of_warp[w][c % V][c / V];
            out[c] = sum;
        }
    }
}

/// partials [gridDim.x, 2, C]: dw and db of the block's rows. dx may be null.
template <class T, class Plan>
__global__ void __launch_bounds__(kThreads<Plan>)
    backward_rows(T* __restrict__ dx, float* __restrict__ partials, const T* __restrict__ dy,
                  const T* __restrict__ x, const float* __restrict__ w,
                  const float* __restrict__ mean, const float* __restrict__ rstd, Index rows, int C,
                  bool accumulate) {
    constexpr int V = Plan::V, Steps = Plan::Steps, Teams = kTeams<Plan>;
    __shared__ float scratch[2][2][kWarp];
    float dw[Steps][V] = {}, db[Steps][V] = {};
    const float inverse = 1.0f / static_cast<float>(C);
    int turn = 0;

    for (Index first = static_cast<Index>(blockIdx.x) * Teams; first < rows;
         first += static_cast<Index>(gridDim.x) * Teams, turn ^= 1) {
        const Index row = first + static_cast<int>(threadIdx.x) / Plan::Team, offset = row * C;
        const bool inside = row < rows;  // a team behind the last row counts for nothing
        const int end = inside ? C : 0;
        float xhat[Steps][V] = {}, g[Steps][V] = {};
#pragma unroll
        for (int s = 0; s < Steps; ++s) {
            const int c = column_of<Plan>(s);
            if (c >= end) continue;
            load_chunk<V>(xhat[s], x + offset + c);
            load_chunk<V>(g[s], dy + offset + c);
        }
        const float m = inside ? mean[row] : 0.0f, r = inside ? rstd[row] : 0.0f;

        float sum_g = 0.0f, sum_gx = 0.0f;
#pragma unroll
        for (int s = 0; s < Steps; ++s) {
            const int c = column_of<Plan>(s);
            if (c >= end) continue;
            float weight[V];
            load_chunk_or<V>(weight, w, c, 1.0f);
#pragma unroll
            for (int i = 0; i < V; ++i) {
                xhat[s][i] = (xhat[s][i] - m) * r;
                dw[s][i] += g[s][i] * xhat[s][i];
                db[s][i] += g[s][i];
                g[s][i] *= weight[i];
                sum_g += g[s][i];
                sum_gx += g[s][i] * xhat[s][i];
            }
        }
        if (dx == nullptr) continue;
        reduce_two<Plan>(sum_g, sum_gx, scratch[turn]);
        const float mean_g = sum_g * inverse, mean_gx = sum_gx * inverse;
#pragma unroll
        for (int s = 0; s < Steps; ++s) {
            const int c = column_of<Plan>(s);
            if (c >= end) continue;
            float out[V] = {};
            if (accumulate) load_chunk<V>(out, dx + offset + c);
#pragma unroll
            for (int i = 0; i < V; ++i) out[i] += r * (g[s][i] - mean_g - xhat[s][i] * mean_gx);
            store_chunk<V>(dx + offset + c, out);
        }
    }

    float* const out = partials + static_cast<Index>(blockIdx.x) * 2 * C;
    store_block_sums<Plan>(out, dw, C);
    store_block_sums<Plan>(out + C, db, C);
}

/// Rows too long for registers: a block a row, read twice, and sums that live in `partials`.
template <class T, class Plan>
__global__ void __launch_bounds__(Plan::Team)
    backward_long_rows(T* __restrict__ dx, float* __restrict__ partials, const T* __restrict__ dy,
                       const T* __restrict__ x, const float* __restrict__ w,
                       const float* __restrict__ mean, const float* __restrict__ rstd, Index rows,
                       int C, bool accumulate) {
    constexpr int V = Plan::V;
    __shared__ float scratch[2][2][kWarp];
    float* const dw = partials + static_cast<Index>(blockIdx.x) * 2 * C;
    float* const db = dw + C;
    const float inverse = 1.0f / static_cast<float>(C);
    int turn = 0;
    const auto for_each_chunk = [&](auto f) {
        for (int s = 0; column_of<Plan>(s) < C; ++s) f(column_of<Plan>(s));
    };
    for_each_chunk([&](int c) {
        const float zero[V] = {};
        store_chunk<V>(dw + c, zero);
        store_chunk<V>(db + c, zero);
    });

    for (Index row = blockIdx.x; row < rows; row += gridDim.x, turn ^= 1) {
        const Index offset = row * C;
        const float m = mean[row], r = rstd[row];
        float sum_g = 0.0f, sum_gx = 0.0f;
        for_each_chunk([&](int c) {
            float xhat[V], g[V], weight[V], w_sum[V], b_sum[V];
            load_chunk<V>(xhat, x + offset + c);
            load_chunk<V>(g, dy + offset + c);
            load_chunk_or<V>(weight, w, c, 1.0f);
            load_chunk<V>(w_sum, dw + c);
            load_chunk<V>(b_sum, db + c);
#pragma unroll
            for (int i = 0; i < V; ++i) {
                xhat[i] = (xhat[i] - m) * r;
                w_sum[i] += g[i] * xhat[i];
                b_sum[i] += g[i];
                sum_g += g[i] * weight[i];
                sum_gx += g[i] * weight[i] * xhat[i];
            }
            store_chunk<V>(dw + c, w_sum);
            store_chunk<V>(db + c, b_sum);
        });
        if (dx == nullptr) continue;
        reduce_two<Plan>(sum_g, sum_gx, scratch[turn]);
        const float mean_g = sum_g * inverse, mean_gx = sum_gx * inverse;
        for_each_chunk([&](int c) {
            float xhat[V], g[V], weight[V], out[V] = {};
            load_chunk<V>(xhat, x + offset + c);
            load_chunk<V>(g, dy + offset + c);
            load_chunk_or<V>(weight, w, c, 1.0f);
            if (accumulate) load_chunk<V>(out, dx + offset + c);
#pragma unroll
            for (int i = 0; i < V; ++i)
                out[i] += r * (g[i] * weight[i] - mean_g - (xhat[i] - m) * r * mean_gx);
            store_chunk<V>(dx + offset + c, out);
        });
    }
}

/// Blocks, and partial sums: two (four) a multiprocessor of the largest device, fewer for few rows. A
/// function of the shape alone, so that every device gives the same bits.
Index block_count(Index rows, Index teams) {
    return std::min<Index>(ceil_div(rows, teams), teams > 1 ? 264 : 528);
}

}  // namespace

void layer_norm_backward(const Stream& stream, View dx, View dw, View db, CView dy, CView x,
                         CView w, CView mean, CView rstd, GradMode dx_mode, GradMode param_mode) {
    const bool want_dx = dx && dx_mode != GradMode::Ignore;
    const bool want_parameters = (dw || db) && param_mode != GradMode::Ignore;
    const Index C = x.dim(-1);
    if (C == 0 || (!want_dx && !want_parameters)) return;
    const Index rows = x.numel() / C;
    with_float(x.dtype, [&]<class T>(std::type_identity<T>) {
        T* const out = want_dx ? dx.as<T>() : nullptr;
        const bool fits = chunks_fit<T>(C, out, dy.as<T>(), x.as<T>(), w.as<float>());
        with_row_plan<T, 24 / kLanes<T>>(C, fits, [&]<class Plan>(Plan) {
            const auto kernel = [] {
                if constexpr (Plan::Steps > 0)
                    return backward_rows<T, Plan>;
                else
                    return backward_long_rows<T, Plan>;
            }();
            const Index blocks = block_count(rows, kTeams<Plan>);
            float* const partials =
                workspace<float>(stream, static_cast<std::size_t>(blocks * 2 * C));
            launch(stream, {dim3(static_cast<unsigned>(blocks)), dim3(kThreads<Plan>)}, kernel, out,
                   partials, dy.as<T>(), x.as<T>(), w.as<float>(), mean.as<float>(),
                   rstd.as<float>(), rows, static_cast<int>(C), dx_mode == GradMode::Accumulate);
            if (want_parameters)
                sum_partials(stream, dw.as<float>(), db.as<float>(), partials, blocks, C,
                             param_mode);
        });
    });
}

}  // namespace fovea::kernels::cuda
