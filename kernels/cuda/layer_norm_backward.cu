// LayerNorm, backward. With xhat = (x - mean) rstd and g = dy w:
//     dx = rstd (g - mean(g) - xhat mean(g xhat)),   dw = sum of dy xhat,   db = sum of dy
// over C and over the rows, respectively. x, dy, dx [rows, C].
//
// Blocks, whose number follows from the rows, go through them; a team of threads holds a row of x and
// of dy in registers as they lie in memory (row.cuh). Every lane owns the same columns of each of its
// rows, so it keeps their dw and db in registers too; w waits in shared memory. At the end the teams of
// a block are added up, every block writes its partial sums, and a second kernel adds those in order: no
// atomics, the same bits on every run. x and dy are read once: 6 bytes an element in BF16 (8 with dx
// accumulated); the partials are at most 4 % of that for short rows, and 1 % for 50,432 rows of 768.
#include "kernels/cuda/lane_pairs.cuh"
#include "kernels/cuda/partial_sums.h"
#include "kernels/cuda/row.cuh"
#include "kernels/cuda/shared_row.cuh"
#include "kernels/cuda/workspace.h"
#include "kernels/include/norm.h"

namespace fovea::kernels::cuda {
namespace {

/// Threads of a block: 16 warps, because the more rows a block has, the fewer partial sums there are, or
/// one team where that is a block of its own.
template <class Plan>
inline constexpr int kThreads = Plan::Team <= kWarp ? 512 : Plan::Team;
template <class Plan>
inline constexpr int kTeams = kThreads<Plan> / Plan::Team;

/// w, behind the scratch memory of two rounds of reduce_two().
template <class Plan>
using Weights = SharedRow<Plan::V, 2 * 2 * kWarp>;

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

/// A warp's sums in shared memory: the numbers of a chunk lie apart, so that neither the lanes of a warp
/// nor those that read columns meet in a bank.
template <class Plan>
struct WarpSums {
    static constexpr int chunks = (Plan::Team * Plan::Steps + kWarp - 1) / kWarp * kWarp;
    float of[Plan::V][chunks + kWarp / Plan::V];
};

/// Shared memory of a block: the weights, and when they have served, the sums of its warps.
template <class Plan>
std::size_t shared_bytes(Index C) {
    if constexpr (Plan::Steps == 0) return 0;
    if constexpr (Plan::Team > kWarp) return Weights<Plan>::bytes(C);
    return std::max(Weights<Plan>::bytes(C), kThreads<Plan> / kWarp * sizeof(WarpSums<Plan>));
}

/// out[column] = sums of all teams, in order. memory: the block's shared memory.
template <class Plan>
__device__ __forceinline__ void store_block_sums(float* __restrict__ out,
                                                 float (&sums)[Plan::Steps][Plan::V], int C,
                                                 float* memory) {
    constexpr int V = Plan::V, Team = Plan::Team, Steps = Plan::Steps;
    if constexpr (Team > kWarp) {
#pragma unroll
        for (int s = 0; s < Steps; ++s) store_together<V>(out, column_of<Plan>(s), C, sums[s]);
    } else {
        constexpr int kWarps = kThreads<Plan> / kWarp;
        const auto warps = reinterpret_cast<WarpSums<Plan>*>(memory);
        const int warp = static_cast<int>(threadIdx.x) / kWarp;
        const int lane = static_cast<int>(threadIdx.x) % kWarp;
        __syncthreads();  // nobody reads what was there any longer
#pragma unroll
        for (int s = 0; s < Steps; ++s)
#pragma unroll
            for (int i = 0; i < V; ++i) {
                float sum = sums[s][i];
#pragma unroll
                for (int offset = Team; offset < kWarp; offset *= 2)
                    sum += __shfl_xor_sync(kAllLanes, sum, offset);
                if (lane < Team) warps[warp].of[i][lane + s * Team] = sum;
            }
        __syncthreads();
        for (int c = static_cast<int>(threadIdx.x); c < C; c += kThreads<Plan>) {
            float sum = warps[0].of[c % V][c / V];
#pragma unroll
            for (int w = 1; w < kWarps; ++w) sum += warps[w].of[c % V][c / V];
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
    const Weights<Plan> weights(w, C);
    const auto scratch = reinterpret_cast<float(*)[2][kWarp]>(weights.front());
    float dw[Steps][V] = {}, db[Steps][V] = {};
    const float inverse = 1.0f / static_cast<float>(C);
    int turn = 0;

    for (Index first = static_cast<Index>(blockIdx.x) * Teams; first < rows;
         first += static_cast<Index>(gridDim.x) * Teams, turn ^= 1) {
        const Index row = first + static_cast<int>(threadIdx.x) / Plan::Team, offset = row * C;
        const bool inside = row < rows;  // a team behind the last row counts for nothing
        const int end = inside ? C : 0;
        KeptChunk<T, V> kept_x[Steps], kept_dy[Steps];
#pragma unroll
        for (int s = 0; s < Steps; ++s) {
            const int c = column_of<Plan>(s);
            if (c >= end) continue;
            kept_x[s].fetch(x + offset + c);
            kept_dy[s].fetch(dy + offset + c);
        }
        const float m = inside ? mean[row] : 0.0f, r = inside ? rstd[row] : 0.0f;

        float sum_g = 0.0f, sum_gx = 0.0f;
#pragma unroll
        for (int s = 0; s < Steps; ++s) {
            const int c = column_of<Plan>(s);
            if (c >= end) continue;
            float weight[V], e[V], g[V];
            weights.load_chunk_at(weight, c);
            kept_x[s].convert(e);
            kept_dy[s].convert(g);
#pragma unroll
            for (int i = 0; i < V; ++i) {
                const float xhat = (e[i] - m) * r;
                dw[s][i] += g[i] * xhat;
                db[s][i] += g[i];
                g[i] *= weight[i];
                sum_g += g[i];
                sum_gx += g[i] * xhat;
            }
        }
        if (dx == nullptr) continue;
        reduce_two<Plan>(sum_g, sum_gx, scratch[turn]);
        const float mean_g = sum_g * inverse, slope = r * r * (sum_gx * inverse);
#pragma unroll
        for (int s = 0; s < Steps; ++s) {
            const int c = column_of<Plan>(s);
            if (c >= end) continue;
            float weight[V], e[V], g[V], out[V] = {};
            weights.load_chunk_at(weight, c);
            kept_x[s].convert(e);
            kept_dy[s].convert(g);
            if (accumulate) load_chunk<V>(out, dx + offset + c);
#pragma unroll
            for (int i = 0; i < V; ++i)
                out[i] += r * (g[i] * weight[i] - mean_g) - (e[i] - m) * slope;
            store_chunk<V>(dx + offset + c, out);
        }
    }

    float* const out = partials + static_cast<Index>(blockIdx.x) * 2 * C;
    store_block_sums<Plan>(out, dw, C, weights.front());
    store_block_sums<Plan>(out + C, db, C, weights.front());
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
    const auto for_each_chunk = [&](auto f) {  // in all lanes together, also behind the end
        for (int s = 0; s * Plan::Team * V < C; ++s) f(column_of<Plan>(s));
    };
    for_each_chunk([&](int c) {
        const float zero[V] = {};
        store_together<V>(dw, c, C, zero);
        store_together<V>(db, c, C, zero);
    });

    for (Index row = blockIdx.x; row < rows; row += gridDim.x, turn ^= 1) {
        const Index offset = row * C;
        const float m = mean[row], r = rstd[row];
        float sum_g = 0.0f, sum_gx = 0.0f;
        for_each_chunk([&](int c) {
            float weight[V], w_sum[V], b_sum[V];
            load_together_or<V>(weight, w, c, C, 1.0f);
            load_together<V>(w_sum, dw, c, C);
            load_together<V>(b_sum, db, c, C);
            if (c < C) {
                float xhat[V], g[V];
                load_chunk<V>(xhat, x + offset + c);
                load_chunk<V>(g, dy + offset + c);
#pragma unroll
                for (int i = 0; i < V; ++i) {
                    xhat[i] = (xhat[i] - m) * r;
                    w_sum[i] += g[i] * xhat[i];
                    b_sum[i] += g[i];
                    sum_g += g[i] * weight[i];
                    sum_gx += g[i] * weight[i] * xhat[i];
                }
            }
            store_together<V>(dw, c, C, w_sum);
            store_together<V>(db, c, C, b_sum);
        });
        if (dx == nullptr) continue;
        reduce_two<Plan>(sum_g, sum_gx, scratch[turn]);
        const float mean_g = sum_g * inverse, mean_gx = sum_gx * inverse;
        for_each_chunk([&](int c) {
            float xhat[V], g[V], weight[V], out[V] = {};
            load_together_or<V>(weight, w, c, C, 1.0f);
            if (c >= C) return;
            load_chunk<V>(xhat, x + offset + c);
            load_chunk<V>(g, dy + offset + c);
            if (accumulate) load_chunk<V>(out, dx + offset + c);
#pragma unroll
            for (int i = 0; i < V; ++i)
                out[i] += r * (g[i] * weight[i] - mean_g - (xhat[i] - m) * r * mean_gx);
            store_chunk<V>(dx + offset + c, out);
        });
    }
}

/// Blocks, and partial sums. For many rows one (four small ones) a multiprocessor of the largest device;
/// for few rows as many as leave 64 to each, whose partial sums are then 4 % of the traffic in BF16. A
/// block that is one team would take too long over 64, one after another: 16. A function of the shape
/// alone, so that every device gives the same bits.
Index block_count(Index rows, Index teams) {
    return teams > 1 ? std::min<Index>(ceil_div(rows, std::max<Index>(64, teams)), 132)
                     : std::min<Index>(ceil_div(rows, 16), 528);
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
            launch(
                stream,
                {dim3(static_cast<unsigned>(blocks)), dim3(kThreads<Plan>), shared_bytes<Plan>(C)},
                kernel, out, partials, dy.as<T>(), x.as<T>(), w.as<float>(), mean.as<float>(),
                rstd.as<float>(), rows, static_cast<int>(C), dx_mode == GradMode::Accumulate);
            if (want_parameters)
                sum_partials(stream, dw.as<float>(), db.as<float>(), partials, blocks, C,
                             param_mode);
        });
    });
}

}  // namespace fovea::kernels::cuda
