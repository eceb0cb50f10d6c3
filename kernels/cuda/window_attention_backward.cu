// Window attention on CUDA cores, backward: dqkv [B,H,W,3*C] and dtable [table rows, heads] from dout,
// o, lse, qkv and table; see kernels/include/window_attention.h.
//
// Windows of up to 64 tokens (7 x 7, 8 x 8): a block owns one head of a group of windows and takes them
// one after another; every tensor is read or written once. Its gradients of the scores, summed over
// the windows in registers, become one partial table.
// Larger windows (12 x 12): one launch of three kinds of blocks. Two are those of attention_backward.cu,
// for dk and dv and for dq; the third owns 64 x 64 pairs of tokens of one head of a group of windows,
// and makes a partial table of them. That is 9 products in all. The blocks of a group are neighbours in
// launch order, so that what one of them reads, the others find in the L2 cache.
// Partial tables are added in order by a last kernel. How many there are depends on shape and dtype
// alone, so the bits do as well; no atomics.
#include "kernels/cuda/window_attention_bias.cuh"
#include "kernels/cuda/workspace.h"

namespace fovea::kernels::cuda {
namespace {

using namespace attention;

template <class T>
struct Tensors {
    T* dqkv;
    const T *dout, *o, *qkv;
    const float *lse, *table;
    float* partial;  ///< [groups, tables a group, heads, table rows]; nullptr: not wanted
    bool vector;

    __device__ __forceinline__ BackwardRows<WindowRows<const T>, WindowRows<T>> rows(
        const WindowState& state, const WindowSizes& s, Index window, Index head) const {
        const Index first = head * s.D, row = (window * s.heads + head) * s.tokens;
        return {.q = state.rows(qkv, 3 * s.C, first),
                .k = state.rows(qkv, 3 * s.C, s.C + first),
                .v = state.rows(qkv, 3 * s.C, 2 * s.C + first),
                .o = state.rows(o, s.C, first),
                .dout = state.rows(dout, s.C, first),
                .dq = state.rows(dqkv, 3 * s.C, first),
                .dk = state.rows(dqkv, 3 * s.C, s.C + first),
                .dv = state.rows(dqkv, 3 * s.C, 2 * s.C + first),
                .lse = lse + row,
                .queries = s.tokens,
                .keys = s.tokens,
                .D = s.D,
                .scale = s.scale,
                .vector = vector};
    }
    /// A head's column of a partial table.
    __device__ __forceinline__ float* column(const WindowSizes& s, Index table, Index head) const {
        return partial + (table * s.heads + head) * s.table_rows;
    }
};

/// How the windows are shared out among blocks: in groups of consecutive ones.
struct Plan {
    Index windows_each, groups;
    int tables;   ///< blocks a group and head that make partial tables
    int windows;  ///< blocks a window and head that own a tile of its queries or keys

    Plan(const WindowSizes& s, DType dtype, bool wants_table) {
        const Index pairs = static_cast<Index>(s.tiles()) * s.tiles();
        // Enough windows a group to keep the partial tables, which are written and read, below 3 % of
        // the window's eight tensors.
        const Index partial = 2 * static_cast<Index>(sizeof(float)) * pairs * s.table_rows;
        const Index tensors = 8 * static_cast<Index>(s.tokens) * s.D * size_of(dtype);
        windows_each =
            std::max(windows_a_block(s, s.heads * pairs, 132 * 6, 64),
                     std::min(ceil_div(100 * partial, 3 * std::max<Index>(tensors, 1)), s.windows));
        groups = ceil_div(s.windows, windows_each);
        const bool at_once = s.tiles() == 1;
        tables = at_once || wants_table ? static_cast<int>(pairs) : 0;
        windows = at_once ? 0 : 2 * s.tiles();
    }

    __host__ __device__ Index blocks_a_group() const { return tables + windows * windows_each; }
    __device__ Index first(Index group) const { return group * windows_each; }
    __device__ Index end(Index group, const WindowSizes& s) const {
        return min(s.windows, first(group) + windows_each);
    }
};

template <class T, int Cap>
__global__ void __launch_bounds__(kBackwardThreads, Cap <= 32 ? 2 : 1)
    at_once(const Tensors<T> tensors, const WindowSizes s, const Plan plan) {
    extern __shared__ __align__(16) float shared[];
    const Index head = blockIdx.x % s.heads, group = blockIdx.x / s.heads;
    WindowState state(shared + AtOnceMemory<Cap>::floats, s);
    state.load_bias(tensors.table, head);
    GradientSums sums;
    for (Index window = plan.first(group); window < plan.end(group, s); ++window) {
        __syncthreads();
        state.enter(window);
        __syncthreads();
        gradients_at_once<Cap>(shared, tensors.rows(state, s, window, head), state.scores(), sums);
    }
    if (tensors.partial != nullptr)
        fold_into_table(tensors.column(s, group, head), shared, sums, s, 0, 0);
}

/// Table `pair` of a group: of its windows' queries from one tile and keys from another.
template <int Cap, class T>
__device__ __forceinline__ void table_gradient(float* shared, WindowState& state,
                                               const Tensors<T>& tensors, const WindowSizes& s,
                                               const Plan& plan, Index group, int pair,
                                               Index head) {
    const int first_query = pair / s.tiles() * kTile, first_key = pair % s.tiles() * kTile;
    GradientSums sums;
    for (Index window = plan.first(group); window < plan.end(group, s); ++window) {
        __syncthreads();
        state.enter(window);
        __syncthreads();
        float ds[kBackwardRows][4];
        score_gradient<Cap>(ds, shared, tensors.rows(state, s, window, head), first_query,
                            first_key, state.scores());
        sums(ds);
    }
    fold_into_table(tensors.column(s, group * plan.tables + pair, head), shared, sums, s,
                    first_query, first_key);
}

/// Heads fastest, as they share lines of memory. Of a group first the tables, which take longest, then
/// its windows: tiles of keys, tiles of queries.
template <class T, int Cap>
__global__ void __launch_bounds__(kBackwardThreads, Cap <= 32 ? 2 : 1)
    by_tiles(const Tensors<T> tensors, const WindowSizes s, const Plan plan) {
    extern __shared__ __align__(16) float shared[];
    const Index head = blockIdx.x % s.heads, block = blockIdx.x / s.heads;
    const Index group = block / plan.blocks_a_group();
    const int number = static_cast<int>(block % plan.blocks_a_group());
    WindowState state(shared + TileMemory<Cap>::floats, s);
    state.load_bias(tensors.table, head);
    if (number < plan.tables) {
        table_gradient<Cap>(shared, state, tensors, s, plan, group, number, head);
        return;
    }
    const Index window = plan.first(group) + (number - plan.tables) / plan.windows;
    if (window >= s.windows) return;  // the last group may be smaller
    state.enter(window);
    __syncthreads();
    const auto rows = tensors.rows(state, s, window, head);
    const int tile = (number - plan.tables) % plan.windows;
    if (tile < s.tiles())
        key_gradient<Cap>(shared, rows, tile * kTile, state.scores());
    else
        query_gradient<Cap>(shared, rows, (tile - s.tiles()) * kTile, state.scores());
}

template <int Cap, class T>
void run(const Stream& stream, const Tensors<T>& tensors, const WindowSizes& s, const Plan& plan) {
    const auto go = [&](auto kernel, int floats) {
        launch(stream,
               {dim3(static_cast<unsigned>(plan.groups * plan.blocks_a_group() * s.heads)),
                dim3(kBackwardThreads), floats * sizeof(float) + s.shared_bytes()},
               kernel, tensors, s, plan);
    };
    if (s.tiles() == 1)
        go(at_once<T, Cap>, AtOnceMemory<Cap>::floats);
    else
        go(by_tiles<T, Cap>, TileMemory<Cap>::floats);
}

}  // namespace

void window_attention_backward(const Stream& stream, View dqkv, View dtable, CView dout, CView o,
                               CView lse, CView qkv, CView table, const WindowParams& params,
                               GradMode table_mode) {
    const WindowSizes s(qkv, params);
    const bool wants_table = dtable && table_mode != GradMode::Ignore;
    const Plan plan(s, qkv.dtype, wants_table);
    const Index parts = plan.groups * plan.tables;
    float* const partial =
        wants_table
            ? workspace<float>(stream, static_cast<std::size_t>(parts * s.table_rows * s.heads))
            : nullptr;
    const auto fours = [&](const auto& x) { return in_fours(x.data, x.dtype, s.D, s.C); };
    const bool vector = fours(dqkv) && fours(dout) && fours(o) && fours(qkv);
    if (qkv.numel() > 0)
        with_float(qkv.dtype, [&]<class T>(std::type_identity<T>) {
            const Tensors<T> tensors = {.dqkv = dqkv.as<T>(),
                                        .dout = dout.as<T>(),
                                        .o = o.as<T>(),
                                        .qkv = qkv.as<T>(),
                                        .lse = lse.as<float>(),
                                        .table = table.as<float>(),
                                        .partial = partial,
                                        .vector = vector};
            with_cap(s.D, [&](auto cap) { run<decltype(cap)::value>(stream, tensors, s, plan); });
        });
    if (wants_table)
        add_partial_tables(stream, dtable.as<float>(), partial, parts, s.table_rows, s.heads,
                           table_mode);
}

}  // namespace fovea::kernels::cuda
