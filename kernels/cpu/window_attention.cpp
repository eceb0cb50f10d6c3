// Window attention. A task is one head of a few windows: the head's bias is laid out once, as the matrix
// that its scores start from, then each window is gathered from the map, computed in the L1 cache (49
// tokens of 32 channels: 19 KiB of q, k, v and 12 KiB of scores) and scattered back.
//   forward   S = bias + (scale Q) K^T, P = exp(S - max), O = P V / sum
//   backward  P = exp(S - lse), dV = P^T dO, dS = P (dO V^T - rowsum(dO O)),
//             dQ = scale dS K, dK = dS^T (scale Q), dbias += dS
// Which windows share a task depends on their number alone, and the tasks' bias gradients are added in
// order, so results do not depend on the number of threads.
#include "kernels/include/window_attention.h"

#include "kernels/cpu/parallel.h"
#include "kernels/cpu/small_gemm.h"
#include "kernels/cpu/softmax_row.h"

namespace fovea::kernels::cpu {
namespace {

struct Sizes {
    WindowGrid grid;
    std::int64_t C, D, heads, N;
    /// Of rows of scores: N in whole vectors, whose last lanes are masked out.
    std::int64_t stride;
    float scale, masked_value;
    Chunks chunks;  ///< of the windows of all images

    Sizes(const CView& qkv, const WindowParams& p)
        : grid(qkv.dim(1), qkv.dim(2), p), C(qkv.dim(3) / 3), D(C / p.heads), heads(p.heads),
          N(grid.tokens()), stride((N + kLanes - 1) / kLanes * kLanes),
          scale(static_cast<float>(p.scale)), masked_value(static_cast<float>(p.masked_value)),
          chunks(qkv.dim(0) * grid.windows(), 4, 64) {}

    /// f(chunk, head) for all of them, by threads. A window costs `products` matrix products.
    template <class F>
    void for_tasks(std::int64_t products, const F& f) const {
        if (chunks.n == 0) return;
        const std::int64_t work = products * chunks.size * N * N * D / kLanes;
        parallel_for(chunks.count * heads, work, [&](std::int64_t begin, std::int64_t end) {
            for (std::int64_t i = begin; i < end; ++i) f(i / heads, i % heads);
        });
    }
};

/// One head of a map of tokens [B,H,W,width], from column `first` on.
template <class T>
struct HeadMap {
    T* data;
    std::int64_t width;
    T* at(std::int64_t place) const { return data + place * width; }
};
HeadMap<const float> head_of(const CView& map, std::int64_t first) {
    return {map.as<float>() + first, map.dim(3)};
}
HeadMap<float> head_of(const View& map, std::int64_t first) {
    return {map.as<float>() + first, map.dim(3)};
}

/// The tokens of a window: where they are in the batch, and their regions if those differ.
class WindowTokens {
public:
    explicit WindowTokens(const Sizes& s)
        : sizes_(s), places_(place_memory().get(2 * s.N)), next_(places_ + s.N),
          regions_(region_memory().get(s.stride)) {
        std::fill(regions_, regions_ + s.stride, 0.0f);
    }

    /// Goes to window `number` of all images' windows.
    void locate(std::int64_t number) {
        const std::int64_t window = number % sizes_.grid.windows();
        find(places_, number);
        find(next_, std::min(number + 1, sizes_.chunks.n - 1));
        mixed_ = sizes_.grid.mixed(window);
        if (mixed_)
            for (std::int64_t t = 0; t < sizes_.N; ++t)
                regions_[t] = static_cast<float>(sizes_.grid.region(window, t));
    }

    /// Rows of the window after this one begin to come into the cache: a window's rows are too far apart
    /// for the processor to see a pattern. Inline, as GCC leaves out calls that only prefetch.
    [[gnu::always_inline]] void prefetch(HeadMap<const float> map) const {
        constexpr std::int64_t line = 64 / sizeof(float);
        for (std::int64_t t = 0; t < sizes_.N; ++t)
            for (std::int64_t d = 0; d < sizes_.D; d += line)
                __builtin_prefetch(map.at(next_[t]) + d, 0, 2);
    }

    /// rows [N,D] = factor times a head's rows of the map, and back.
    void gather(float* rows, HeadMap<const float> map, float factor = 1.0f) const {
        for (std::int64_t t = 0; t < sizes_.N; ++t)
            cpu::map(
                sizes_.D, [&](Vec x) { return factor * x; }, rows + t * sizes_.D,
                map.at(places_[t]));
    }
    void scatter(HeadMap<float> map, const float* rows, float factor = 1.0f) const {
        for (std::int64_t t = 0; t < sizes_.N; ++t)
            cpu::map(
                sizes_.D, [&](Vec x) { return factor * x; }, map.at(places_[t]),
                rows + t * sizes_.D);
    }

    /// scores [N,stride] = bias, and masked_value more between tokens of different regions.
    void start(float* scores, const float* bias) const {
        const std::int64_t stride = sizes_.stride;
        if (!mixed_) {
            std::copy(bias, bias + sizes_.N * stride, scores);
            return;
        }
        for (std::int64_t i = 0; i < sizes_.N; ++i) {
            const float own = regions_[i];
            cpu::map(
                stride,
                [&](Vec b, Vec region) {
                    return b + (region == own ? Vec{} : splat(sizes_.masked_value));
                },
                scores + i * stride, bias + i * stride, regions_);
        }
    }

    std::int64_t place(std::int64_t token) const { return places_[token]; }

private:
    void find(std::int64_t* places, std::int64_t number) const {
        const WindowGrid& g = sizes_.grid;
        const std::int64_t window = number % g.windows();
        const std::int64_t image = number / g.windows() * g.height * g.width;
        std::int64_t row = window / g.across() * g.rows + g.shift_rows;
        for (std::int64_t r = 0; r < g.rows; ++r, ++row) {
            if (row == g.height) row = 0;
            std::int64_t column = window % g.across() * g.columns + g.shift_columns;
            for (std::int64_t c = 0; c < g.columns; ++c, ++column) {
                if (column == g.width) column = 0;
                *places++ = image + row * g.width + column;
            }
        }
    }

    static Scratch<std::int64_t>& place_memory() {
        static thread_local Scratch<std::int64_t> memory;
        return memory;
    }
    static Scratch<float>& region_memory() {
        static thread_local Scratch<float> memory;
        return memory;
    }

    const Sizes& sizes_;
    std::int64_t *places_, *next_;
    float* regions_;
    bool mixed_ = false;
};

/// f(query, key, WindowGrid::bias_row(query, key)) for all pairs of tokens, without divisions.
template <class F>
void for_pairs(const WindowGrid& g, const F& f) {
    for (std::int64_t i = 0, r = 0; r < g.rows; ++r)
        for (std::int64_t c = 0; c < g.columns; ++c, ++i)
            for (std::int64_t j = 0, kr = 0; kr < g.rows; ++kr) {
                const std::int64_t row =
                    (r - kr + g.rows - 1) * (2 * g.columns - 1) + c + g.columns - 1;
                for (std::int64_t kc = 0; kc < g.columns; ++kc, ++j) f(i, j, row - kc);
            }
}

/// bias [N,stride] of a head for every pair of tokens, -infinity where there is no key.
void expand_bias(float* bias, CView table, std::int64_t head, const Sizes& s) {
    std::fill(bias, bias + s.N * s.stride, -__builtin_inff());
    for_pairs(s.grid, [&](std::int64_t i, std::int64_t j, std::int64_t row) {
        bias[i * s.stride + j] = table ? table.as<float>()[row * s.heads + head] : 0.0f;
    });
}

}  // namespace

void window_attention_forward(const Stream&, View o, View lse, CView qkv, CView table,
                              const WindowParams& params) {
    const Sizes s(qkv, params);
    s.for_tasks(2, [&](std::int64_t chunk, std::int64_t head) {
        static thread_local Scratch<float> scratch;
        const std::int64_t matrix = s.N * s.stride, rows = s.N * s.D;
        float* const bias = scratch.get(2 * matrix + s.D * s.stride + 2 * rows + s.stride);
        float* const scores = bias + matrix;
        float* const key_columns = scores + matrix;
        float* const scales = key_columns + s.D * s.stride;  // one per row, in whole vectors
        float* const a = scales + s.stride;                  // keys, then queries, then outputs
        float* const values = a + rows;
        WindowTokens window(s);
        expand_bias(bias, table, head, s);

        const auto q = head_of(qkv, head * s.D), k = head_of(qkv, s.C + head * s.D);
        const auto v = head_of(qkv, 2 * s.C + head * s.D);
        const auto outputs = head_of(o, head * s.D);
        for (std::int64_t n = s.chunks.begin(chunk); n < s.chunks.end(chunk); ++n) {
            window.locate(n);
            window.gather(a, k);
            transpose(key_columns, s.stride, {a, s.D}, s.N, s.D);
            window.gather(a, q, s.scale);
            window.gather(values, v);
            window.start(scores, bias);
            window.prefetch(k);
            window.prefetch(q);
            small_gemm(s.N, s.stride, s.D, {scores, s.stride}, {a, s.D}, {key_columns, s.stride},
                       {.accumulate = true});
            for (std::int64_t i = 0; i < s.N; i += kLanes) {
                const std::int64_t some = std::min<std::int64_t>(kLanes, s.N - i);
                const Numerators group(scores + i * s.stride, s.stride, some, s.stride, 1.0f);
                store(scales + i, inverse_or_zero(group.sum));
                if (lse)
                    store_some(lse.as<float>() + (n * s.heads + head) * s.N + i,
                               group.max + log(group.sum), static_cast<int>(some));
            }
            window.prefetch(v);
            small_gemm(s.N, s.D, s.N, {a, s.D}, {scores, s.stride}, {values, s.D},
                       {.row_scale = scales});
            window.scatter(outputs, a);
        }
    });
}

void window_attention_backward(const Stream&, View dqkv, View dtable, CView dout, CView o,
                               CView lse, CView qkv, CView table, const WindowParams& params,
                               GradMode table_mode) {
    const Sizes s(qkv, params);
    const std::int64_t table_rows = s.grid.table_rows();
    const bool table_wanted = dtable && table_mode != GradMode::Ignore;
    static thread_local Scratch<float> partial_memory;
    float* const partials =
        table_wanted ? partial_memory.get(s.chunks.count * s.heads * table_rows) : nullptr;

    s.for_tasks(5, [&](std::int64_t chunk, std::int64_t head) {
        static thread_local Scratch<float> scratch;
        const std::int64_t matrix = s.N * s.stride, rows = s.N * s.D;
        float* const bias = scratch.get(4 * matrix + 2 * s.D * s.stride + 4 * rows);
        float* const dbias = bias + matrix;
        float* const p = dbias + matrix;
        float* const ds = p + matrix;
        float* const key_columns = ds + matrix;
        float* const value_columns = key_columns + s.D * s.stride;
        float* const queries = value_columns + s.D * s.stride;
        float* const keys = queries + rows;
        float* const grads = keys + rows;
        float* const result = grads + rows;
        WindowTokens window(s);
        expand_bias(bias, table, head, s);
        std::fill(dbias, dbias + matrix, 0.0f);

        const auto q = head_of(qkv, head * s.D), k = head_of(qkv, s.C + head * s.D);
        const auto v = head_of(qkv, 2 * s.C + head * s.D);
        const auto outputs = head_of(o, head * s.D), douts = head_of(dout, head * s.D);
        const auto dq = head_of(dqkv, head * s.D), dk = head_of(dqkv, s.C + head * s.D);
        const auto dv = head_of(dqkv, 2 * s.C + head * s.D);
        for (std::int64_t n = s.chunks.begin(chunk); n < s.chunks.end(chunk); ++n) {
            window.locate(n);
            window.gather(result, v);
            transpose(value_columns, s.stride, {result, s.D}, s.N, s.D);
            window.gather(keys, k);
            transpose(key_columns, s.stride, {keys, s.D}, s.N, s.D);
            window.gather(queries, q, s.scale);
            window.gather(grads, douts);
            window.start(p, bias);
            window.prefetch(v);
            small_gemm(s.N, s.stride, s.D, {p, s.stride}, {queries, s.D}, {key_columns, s.stride},
                       {.accumulate = true});
            small_gemm(s.N, s.stride, s.D, {ds, s.stride}, {grads, s.D}, {value_columns, s.stride});
            window.prefetch(k);
            const float* const window_lse = lse.as<float>() + (n * s.heads + head) * s.N;
            for (std::int64_t i = 0; i < s.N; ++i) {
                const Vec shift = splat(finite_shift(window_lse[i]));
                Vec delta{};
                for_each(
                    s.D, [&](Vec g, Vec y) { delta += g * y; }, grads + i * s.D,
                    outputs.at(window.place(i)));
                delta = sum_of_lanes(delta);
                for (std::int64_t j = i * s.stride; j < (i + 1) * s.stride; j += kLanes) {
                    const Vec w = exp_flush(load(p + j) - shift);
                    const Vec d = w * (load(ds + j) - delta);
                    store(p + j, w);
                    store(ds + j, d);
                    store(dbias + j, load(dbias + j) + d);
                }
            }
            window.prefetch(q);
            small_gemm(s.N, s.D, s.N, {result, s.D}, {ds, s.stride}, {keys, s.D});
            window.scatter(dq, result, s.scale);
            window.prefetch(douts);
            small_gemm(s.N, s.D, s.N, {result, s.D}, {ds, 1, s.stride}, {queries, s.D});
            window.scatter(dk, result);
            window.prefetch(outputs);
            small_gemm(s.N, s.D, s.N, {result, s.D}, {p, 1, s.stride}, {grads, s.D});
            window.scatter(dv, result);
        }
        if (!table_wanted) return;
        float* const sums = partials + (chunk * s.heads + head) * table_rows;
        std::fill(sums, sums + table_rows, 0.0f);
        for_pairs(s.grid, [&](std::int64_t i, std::int64_t j, std::int64_t row) {
            sums[row] += dbias[i * s.stride + j];
        });
    });
    if (!table_wanted) return;
    float* const out = dtable.as<float>();
    for (std::int64_t h = 0; h < s.heads; ++h)
        for (std::int64_t r = 0; r < table_rows; ++r) {
            float& sum = out[r * s.heads + h];
            if (table_mode == GradMode::Overwrite) sum = 0.0f;
            if (s.chunks.n == 0) continue;
            for (std::int64_t c = 0; c < s.chunks.count; ++c)
                sum += partials[(c * s.heads + h) * table_rows + r];
        }
}

}  // namespace fovea::kernels::cpu
