// Depthwise convolution, forward and input gradient.
//
// Both are the same gather: an output pixel sums filter taps times input pixels (x for y, dy for
// dx), for a block of channels in a register. Threads share the rows of all images. For filters of
// width 3 a row is computed in tiles of 8 pixels (then 4, 2, 1): an input pixel is loaded once per
// filter row and used by all outputs that see it, so that the kernel runs at the speed of memory.
// For other filters a pixel takes a list of taps.
#include "kernels/cpu/depthwise_conv.h"

#include <algorithm>

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

    static std::int64_t input(std::int64_t o, std::int64_t padding) { return (o + padding) / stride; }
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

/// A filter row and the row of the input that it meets.
struct RowPair {
    const float *w, *input;
};

/// `outputs` pixels from `o` on, 3x3 filter. `inside`: all inputs lie in the row; otherwise those
/// that do not are left out.
template <class Tile, int outputs, bool inside, class V>
inline void tile(const Gather& g, std::span<const RowPair> pairs, std::int64_t c, V bias,
                 std::int64_t o, float* to) {
    constexpr int first = Tile::first_input(), last = Tile::last_input(outputs);
    const std::int64_t input = Tile::input(o, g.padding);
    V sum[outputs];
#pragma GCC unroll 8
    for (int i = 0; i < outputs; ++i) sum[i] = bias;
    for (const RowPair& pair : pairs) {
        const float* column = pair.w + c;
        const V w[3] = {load<V>(column), load<V>(column + g.C), load<V>(column + 2 * g.C)};
#pragma GCC unroll 32
        for (int j = first; j <= last; ++j) {
            if (!inside && (input + j < 0 || input + j >= g.W)) continue;
            const V x = load<V>(pair.input + c + (input + j) * g.C);
#pragma GCC unroll 8
            for (int i = 0; i < outputs; ++i) {
                const int s = Tile::column(i, j);
                if (s >= 0 && s < 3) sum[i] += w[s] * x;
            }
        }
    }
#pragma GCC unroll 8
    for (int i = 0; i < outputs; ++i) store(to + (o + i) * g.C, sum[i]);
}

/// Outputs [o, Q), in tiles of `outputs`, then of smaller ones.
template <class Tile, int outputs, class V>
inline void tiles(const Gather& g, std::span<const RowPair> pairs, std::int64_t c, V bias,
                 std::int64_t o, float* to) {
    for (; o + outputs <= g.Q; o += outputs) {
        const std::int64_t input = Tile::input(o, g.padding);
        if (input + Tile::first_input() >= 0 && input + Tile::last_input(outputs) < g.W)
            tile<Tile, outputs, true>(g, pairs, c, bias, o, to);
        else
            tile<Tile, outputs, false>(g, pairs, c, bias, o, to);
    }
    if constexpr (outputs > 1) tiles<Tile, outputs / 2>(g, pairs, c, bias, o, to);
}

/// One pixel from its list of taps.
template <class V>
inline void pixel(const Gather& g, std::span<const RowPair> pairs, std::int64_t c, V sum,
                  std::int64_t o, float* to) {
    for (const RowPair& pair : pairs)
        for (const Tap& tap : g.columns[o])
            sum += load<V>(pair.w + c + tap.kernel * g.C) *
                   load<V>(pair.input + c + tap.input * g.C);
    store(to + o * g.C, sum);
}

/// Output row p of image n. `pairs` has room for the filter's rows.
template <class Tile>
void gather_row(const Gather& g, std::int64_t n, std::int64_t p, RowPair* pairs) {
    const std::span<const Tap> taps = g.rows[p];
    for (std::size_t i = 0; i < taps.size(); ++i)
        pairs[i] = {g.w + taps[i].kernel * g.S * g.C,
                    g.from + (n * g.H + taps[i].input) * g.W * g.C};
    const std::span<const RowPair> used(pairs, taps.size());
    float* to = g.to + (n * g.P + p) * g.Q * g.C;
    for_channel_blocks(g.C, [&](auto block, std::int64_t c) {
        using V = decltype(block);
        const V bias = g.bias != nullptr ? load<V>(g.bias + c) : V{};
        if constexpr (std::is_same_v<Tile, NoTile>)
            for (std::int64_t o = 0; o < g.Q; ++o) pixel(g, used, c, bias, o, to + c);
        else
            tiles<Tile, 8>(g, used, c, bias, 0, to + c);
    });
}

template <class Tile>
void gather(const Gather& g, std::int64_t R) {
#pragma omp parallel
    {
        std::vector<RowPair> pairs(static_cast<std::size_t>(R));
#pragma omp for schedule(static)
        for (std::int64_t row = 0; row < g.N * g.P; ++row)
            gather_row<Tile>(g, row / g.P, row % g.P, pairs.data());
    }
}

/// Has the filter a fast path?
bool tiled(const CView& w, const ConvParams& p) {
    return w.dim(2) == 3 && p.dilation[1] == 1 && p.stride[1] <= 2;
}

}  // namespace

void depthwise_forward(View y, CView x, CView w, CView bias, const ConvParams& p) {
    const Gather g{y.as<float>(), x.as<float>(), pack_weights(w), bias.as<float>(),
                   y.dim(0), y.dim(1), y.dim(2), x.dim(1), x.dim(2), y.dim(3), w.dim(2), p.padding[1],
                   Taps::forward(p, 0, x.dim(1), w.dim(1), y.dim(1)),
                   Taps::forward(p, 1, x.dim(2), w.dim(2), y.dim(2))};
    const std::int64_t R = w.dim(1);
    if (!tiled(w, p)) return gather<NoTile>(g, R);
    if (p.stride[1] == 1) return gather<ForwardTile<1>>(g, R);
    gather<ForwardTile<2>>(g, R);
}

void depthwise_backward_input(View dx, CView dy, CView w, const ConvParams& p) {
    const Gather g{dx.as<float>(), dy.as<float>(), pack_weights(w), nullptr,
                   dx.dim(0), dx.dim(1), dx.dim(2), dy.dim(1), dy.dim(2), dx.dim(3), w.dim(2), p.padding[1],
                   Taps::backward(p, 0, dx.dim(1), w.dim(1), dy.dim(1)),
                   Taps::backward(p, 1, dx.dim(2), w.dim(2), dy.dim(2))};
    const std::int64_t R = w.dim(1);
    if (!tiled(w, p)) return gather<NoTile>(g, R);
    if (p.stride[1] == 1) return gather<BackwardTile<1, 0>>(g, R);
    if (p.padding[1] % 2 == 0) return gather<BackwardTile<2, 0>>(g, R);
    gather<BackwardTile<2, 1>>(g, R);
}

}  // namespace fovea::kernels::cpu
