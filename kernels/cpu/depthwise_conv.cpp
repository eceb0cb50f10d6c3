// Depthwise convolution, forward and input gradient.
//
// Both are the same gather: an output pixel sums filter taps times input pixels (x for y, dy for
// dx), for a block of channels in a register. Threads share the rows of all images. For 3x3 filters a
// row is computed in tiles of 8 or 7 pixels (its rest in smaller ones): an input pixel is loaded once per
// filter row and used by all outputs that see it. For other filters a pixel takes a list of taps.
#include "kernels/cpu/depthwise_conv.h"

#include <algorithm>
#include <type_traits>
#include <utility>

#include "kernels/cpu/channel_block.h"
#include "kernels/cpu/conv_taps.h"
#include "kernels/cpu/scratch.h"

namespace fovea::kernels::cpu {
namespace {

/// [C,taps] -> [taps,C], in scratch memory: channels next to each other.
const float* pack_weights(const CView& w) {
    const std::int64_t C = w.dim(0), taps = w.dim(1) * w.dim(2);
    float* packed = scratch_floats(ScratchSlot::Weights, static_cast<std::size_t>(C * taps));
    for (std::int64_t t = 0; t < taps; ++t)
        for (std::int64_t c = 0; c < C; ++c) packed[t * C + c] = w.as<float>()[c * taps + t];
    return packed;
}

/// How the outputs i and inputs j of a tile meet, for y: in filter column j - i stride.
template <int stride_>
struct ForwardTile {
    static constexpr int stride = stride_;
    static constexpr int column(int i, int j) { return j - i * stride; }
    static constexpr int first_input() { return 0; }
    static constexpr int last_input(int outputs) { return (outputs - 1) * stride + 2; }

    /// Input position of j = 0 for a tile that starts at output o.
    static std::int64_t input(std::int64_t o, std::int64_t padding) { return o * stride - padding; }
};

/// The same for dx: filter column i + phase - j stride. `phase` = padding % stride: with tiles of
/// even length the same holds for every tile of a row.
template <int stride_, int phase>
struct BackwardTile {
    static constexpr int stride = stride_;
    static constexpr int column(int i, int j) { return i + phase - j * stride; }
    static constexpr int first_input() { return -((2 - phase) / stride); }
    static constexpr int last_input(int outputs) { return (outputs - 1 + phase) / stride; }

    static std::int64_t input(std::int64_t o, std::int64_t padding) {
        return (o + padding) / stride;
    }
};

/// No tiles: every pixel takes its list of taps.
struct NoTile {};

/// One gather: from [N,H,W,C] to [N,P,Q,C]; w packed; bias may be null.
struct Gather {
    float* to;
    const float* from;
    const float* w;
    const float* bias;
    std::int64_t N, P, Q, H, W, C, S, padding;
    Taps rows, columns;
};

/// One pixel of output row p of image n from its lists of taps; channels from c on.
template <class V>
inline void pixel(const Gather& g, std::int64_t n, std::int64_t p, std::int64_t o, std::int64_t c) {
    V sum = g.bias != nullptr ? load<V>(g.bias + c) : V{};
    for (const Tap& r : g.rows[p])
        for (const Tap& s : g.columns[o])
            sum += load<V>(g.w + (r.kernel * g.S + s.kernel) * g.C + c) *
                   load<V>(g.from + ((n * g.H + r.input) * g.W + s.input) * g.C + c);
    store(g.to + ((n * g.P + p) * g.Q + o) * g.C + c, sum);
}

/// The input rows that filter rows 0, 1, 2 meet, null where they lie in the padding (or, for dx,
/// between the strides).
using InputRows = const float* [3];

/// `outputs` pixels of a row, 3x3 filter, written to `to`. The first `left` and last `right` of the
/// inputs that the tile meets lie in the padding; the others start at `offset` in their row.
template <class Tile, int outputs, int left, int right, class V>
inline void tile(float* to, const InputRows& rows, std::int64_t offset, const float* w, V bias,
                 std::int64_t C) {
    constexpr int first = Tile::first_input() + left, last = Tile::last_input(outputs) - right;
    V sum[outputs];
#pragma GCC unroll 8
    for (int i = 0; i < outputs; ++i) sum[i] = bias;
#pragma GCC unroll 3
    for (int r = 0; r < 3; ++r, w += 3 * C) {
        if (rows[r] == nullptr) continue;
        const V column[3] = {load<V>(w), load<V>(w + C), load<V>(w + 2 * C)};
        const float* input = rows[r] + offset;
#pragma GCC unroll 32
        for (int j = first; j <= last; ++j, input += C) {
            const V x = load<V>(input);
#pragma GCC unroll 8
            for (int i = 0; i < outputs; ++i) {
                const int s = Tile::column(i, j);
                if (s >= 0 && s < 3) sum[i] += column[s] * x;
            }
        }
    }
#pragma GCC unroll 8
    for (int i = 0; i < outputs; ++i) store(to + i * C, sum[i]);
}

/// Outputs [o, Q) of row p of image n, in tiles of `outputs`, then of smaller ones.
template <class Tile, int outputs, class V>
inline void tiles(const Gather& g, const InputRows& rows, V bias, std::int64_t n, std::int64_t p,
                  std::int64_t o, std::int64_t c) {
    for (; o + outputs <= g.Q; o += outputs) {
        const std::int64_t input = Tile::input(o, g.padding);
        const std::int64_t begin = input + Tile::first_input();
        const std::int64_t left = std::max<std::int64_t>(0, -begin);
        const std::int64_t right =
            std::max<std::int64_t>(0, input + Tile::last_input(outputs) - (g.W - 1));
        const std::int64_t offset = (begin + left) * g.C + c;
        float* to = g.to + ((n * g.P + p) * g.Q + o) * g.C + c;
        if (left == 0 && right == 0)
            tile<Tile, outputs, 0, 0>(to, rows, offset, g.w + c, bias, g.C);
        else if (left == 1 && right == 0)
            tile<Tile, outputs, 1, 0>(to, rows, offset, g.w + c, bias, g.C);
        else if (left == 0 && right == 1)
            tile<Tile, outputs, 0, 1>(to, rows, offset, g.w + c, bias, g.C);
        else if (left == 1 && right == 1)
            tile<Tile, outputs, 1, 1>(to, rows, offset, g.w + c, bias, g.C);
        else
            for (int i = 0; i < outputs; ++i) pixel<V>(g, n, p, o + i, c);
    }
    if constexpr (outputs > 1) tiles<Tile, outputs / 2>(g, rows, bias, n, p, o, c);
}

/// Output row p of image n.
template <class Tile, int outputs>
void gather_row(const Gather& g, std::int64_t n, std::int64_t p) {
    if constexpr (std::is_same_v<Tile, NoTile>) {
        for_channel_blocks(g.C, [&](auto block, std::int64_t c) {
            for (std::int64_t o = 0; o < g.Q; ++o) pixel<decltype(block)>(g, n, p, o, c);
        });
    } else {
        InputRows rows = {};
        for (const Tap& tap : g.rows[p])
            rows[tap.kernel] = g.from + (n * g.H + tap.input) * g.W * g.C;
        for_channel_blocks(g.C, [&](auto block, std::int64_t c) {
            using V = decltype(block);
            const V bias = g.bias != nullptr ? load<V>(g.bias + c) : V{};
            tiles<Tile, outputs>(g, rows, bias, n, p, 0, c);
        });
    }
}

template <class Tile, int outputs = 8>
void gather(const Gather& g) {
#pragma omp parallel for schedule(static)
    for (std::int64_t row = 0; row < g.N * g.P; ++row)
        gather_row<Tile, outputs>(g, row / g.P, row % g.P);
}

Gather describe(const View& to, const CView& from, const CView& w, const CView& bias,
                const ConvParams& p, Taps rows, Taps columns) {
    return {to.as<float>(), from.as<float>(), pack_weights(w), bias.as<float>(),  to.dim(0),
            to.dim(1),      to.dim(2),        from.dim(1),     from.dim(2),       to.dim(3),
            w.dim(2),       p.padding[1],     std::move(rows), std::move(columns)};
}

/// Has the filter a fast path?
bool tiled(const CView& w, const ConvParams& p) {
    return w.dim(1) == 3 && w.dim(2) == 3 && p.dilation[1] == 1 && p.stride[1] <= 2;
}

}  // namespace

void depthwise_forward(View y, CView x, CView w, CView bias, const ConvParams& p) {
    const Gather g = describe(y, x, w, bias, p, Taps::forward(p, 0, x.dim(1), w.dim(1), y.dim(1)),
                              Taps::forward(p, 1, x.dim(2), w.dim(2), y.dim(2)));
    const bool sevens = g.Q % 7 == 0;  // 7, 14, 28, 56: the maps of most models
    if (!tiled(w, p)) return gather<NoTile>(g);
    if (p.stride[1] == 1) return sevens ? gather<ForwardTile<1>, 7>(g) : gather<ForwardTile<1>>(g);
    return sevens ? gather<ForwardTile<2>, 7>(g) : gather<ForwardTile<2>>(g);
}

void depthwise_backward_input(View dx, CView dy, CView w, const ConvParams& p) {
    const Gather g =
        describe(dx, dy, w, View{}, p, Taps::backward(p, 0, dx.dim(1), w.dim(1), dy.dim(1)),
                 Taps::backward(p, 1, dx.dim(2), w.dim(2), dy.dim(2)));
    const bool sevens = g.Q % 7 == 0;
    if (!tiled(w, p)) return gather<NoTile>(g);
    if (p.stride[1] == 1)
        return sevens ? gather<BackwardTile<1, 0>, 7>(g) : gather<BackwardTile<1, 0>>(g);
    // Two outputs apart, the taps repeat: tiles of even length keep their phase.
    return p.padding[1] % 2 == 0 ? gather<BackwardTile<2, 0>>(g) : gather<BackwardTile<2, 1>>(g);
}

}  // namespace fovea::kernels::cpu
