// Window attention on CUDA cores, backward: dqkv [B,H,W,3*C] and dtable [table rows, heads] from dout,
// o, lse, qkv and table; see kernels/include/window_attention.h.
//
// Windows of up to 64 tokens (7 x 7, 8 x 8): a block owns one head of a group of windows and takes them
// one after another; every tensor is read or written once. Its gradients of the scores, summed over
// the windows in registers, become one partial table.
// Larger windows: kernels for dq (which also leaves rowsum(dout o)), for dk and dv, and for the
// partial tables, as in attention_backward.cu.
// Partial tables are added in order by a last kernel. How many there are depends on the shape alone, so
// the bits do as well; no atomics.
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
    float* delta;  ///< [windows,heads,tokens]; unused by windows of up to 64 tokens
    float*
        partial;  ///< [groups of windows, pairs of tiles, table rows, heads]; nullptr: not wanted
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
                .delta = delta + row,
                .queries = s.tokens,
                .keys = s.tokens,
                .D = s.D,
                .scale = s.scale,
                .vector = vector};
    }
};

/// What a block owns: heads fastest, then tiles (or pairs of them), then groups of windows.
struct Place {
    Index head, group, first, end;
    int tile;

    __device__ __forceinline__ Place(const WindowSizes& s, int tiles, Index windows_each) {
        Index block = blockIdx.x;
        head = block % s.heads;
        block /= s.heads;
        tile = static_cast<int>(block % tiles);
        group = block / tiles;
        first = group * windows_each;
        end = min(s.windows, first + windows_each);
    }
};

template <class T, int Cap>
__global__ void __launch_bounds__(kBackwardThreads, Cap <= 32 ? 2 : 1)
    at_once(const Tensors<T> tensors, const WindowSizes s, const Index windows_each) {
    extern __shared__ __align__(16) float shared[];
    const Place place(s, 1, windows_each);
    WindowState state(shared + kAtOnceFloats<Cap>, s);
    state.load_bias(tensors.table, place.head);
    GradientSums sums;
    for (Index window = place.first; window < place.end; ++window) {
        __syncthreads();
        state.enter(window);
        __syncthreads();
        gradients_at_once<Cap>(shared, tensors.rows(state, s, window, place.head), state.scores(),
                               sums);
    }
    if (tensors.partial != nullptr)
        fold_into_table(tensors.partial + place.group * s.table_rows * s.heads, shared, sums, s,
                        place.head, 0, 0);
}

template <class T, int Cap>
__global__ void __launch_bounds__(kBackwardThreads, Cap <= 64 ? 2 : 1)
    of_queries(const Tensors<T> tensors, const WindowSizes s) {
    extern __shared__ __align__(16) float shared[];
    const Place place(s, s.tiles(), 1);
    WindowState state(shared + kQueryGradientFloats<Cap>, s);
    state.load_bias(tensors.table, place.head);
    state.enter(place.first);
    __syncthreads();
    query_gradient<Cap>(shared, tensors.rows(state, s, place.first, place.head), place.tile * kTile,
                        state.scores());
}

template <class T, int Cap>
__global__ void __launch_bounds__(kBackwardThreads, Cap <= 64 ? 2 : 1)
    of_keys(const Tensors<T> tensors, const WindowSizes s) {
    extern __shared__ __align__(16) float shared[];
    const Place place(s, s.tiles(), 1);
    WindowState state(shared + kKeyGradientFloats<Cap>, s);
    state.load_bias(tensors.table, place.head);
    state.enter(place.first);
    __syncthreads();
    key_gradient<Cap>(shared, tensors.rows(state, s, place.first, place.head), place.tile * kTile,
                      state.scores());
}

template <class T, int Cap>
__global__ void __launch_bounds__(kBackwardThreads, 1)
    of_table(const Tensors<T> tensors, const WindowSizes s, const Index windows_each) {
    extern __shared__ __align__(16) float shared[];
    const int pairs = s.tiles() * s.tiles();
    const Place place(s, pairs, windows_each);
    const int first_query = place.tile / s.tiles() * kTile;
    const int first_key = place.tile % s.tiles() * kTile;
    WindowState state(shared + 4 * kTileFloats<Cap>, s);
    state.load_bias(tensors.table, place.head);
    GradientSums sums;
    for (Index window = place.first; window < place.end; ++window) {
        __syncthreads();
        state.enter(window);
        __syncthreads();
        float ds[kBackwardRows][4];
        score_gradient<Cap>(ds, shared, tensors.rows(state, s, window, place.head), first_query,
                            first_key, state.scores());
        sums(ds);
    }
    fold_into_table(tensors.partial + (place.group * pairs + place.tile) * s.table_rows * s.heads,
                    shared, sums, s, place.head, first_query, first_key);
}

/// How the windows are shared out among blocks, and the workspace that takes.
struct Plan {
    bool at_once;
    Index pairs, windows_each, groups;  ///< of the kernel that writes the partial tables
    Index table_size, parts;
    std::size_t deltas;

    explicit Plan(const WindowSizes& s)
        : at_once(s.tiles() == 1), pairs(static_cast<Index>(s.tiles()) * s.tiles()),
          windows_each(windows_a_block(s, s.heads * pairs, 132 * 6, 64)),
          groups(ceil_div(s.windows, windows_each)), table_size(s.table_rows * s.heads),
          parts(groups * pairs),
          deltas(at_once ? 0 : static_cast<std::size_t>(s.windows * s.heads * s.tokens)) {}
};

template <int Cap, class T>
void run(const Stream& stream, const Tensors<T>& tensors, const WindowSizes& s, const Plan& plan) {
    const auto how = [&](Index blocks, std::size_t floats) {
        return Launch{dim3(static_cast<unsigned>(blocks * s.heads)), dim3(kBackwardThreads),
                      floats * sizeof(float) + s.shared_bytes()};
    };
    if (plan.at_once)
        return launch(stream, how(plan.groups, kAtOnceFloats<Cap>), at_once<T, Cap>, tensors, s,
                      plan.windows_each);
    const Index blocks = s.windows * s.tiles();
    launch(stream, how(blocks, kQueryGradientFloats<Cap>), of_queries<T, Cap>, tensors, s);
    launch(stream, how(blocks, kKeyGradientFloats<Cap>), of_keys<T, Cap>, tensors, s);
    if (tensors.partial != nullptr)
        launch(stream, how(plan.parts, 4 * kTileFloats<Cap>), of_table<T, Cap>, tensors, s,
               plan.windows_each);
}

}  // namespace

void window_attention_backward(const Stream& stream, View dqkv, View dtable, CView dout, CView o,
                               CView lse, CView qkv, CView table, const WindowParams& params,
                               GradMode table_mode) {
    const WindowSizes s(qkv, params);
    const Plan plan(s);
    const bool wants_table = dtable && table_mode != GradMode::Ignore;
    const std::size_t partial =
        wants_table ? static_cast<std::size_t>(plan.parts * plan.table_size) : 0;
    float* const scratch = workspace<float>(stream, plan.deltas + partial);
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
                                        .delta = scratch,
                                        .partial = wants_table ? scratch + plan.deltas : nullptr,
                                        .vector = vector};
            with_cap(s.D, [&](auto cap) { run<decltype(cap)::value>(stream, tensors, s, plan); });
        });
    if (wants_table)
        add_partial_tables(stream, dtable.as<float>(), scratch + plan.deltas, plan.parts,
                           plan.table_size, table_mode);
}

}  // namespace fovea::kernels::cuda
