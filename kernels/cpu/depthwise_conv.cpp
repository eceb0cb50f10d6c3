// Depthwise convolution, forward and input gradient.
//
// Both are the same gather: an output pixel sums filter taps times input pixels (x for y, dy for
// dx), for a block of channels in a register. Threads share the rows of all images. For 3x3 filters
// the pixels of a row away from its ends are computed 8 at a time (then 4, 2, 1): each input pixel is
// loaded once per filter row and used by all outputs that see it, so that the kernel runs at the
// speed of memory. Pixels near the ends, and other filters, take a list of taps each.
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
    float* packed = scratch_floats(Scratch::Weights, static_cast<std::size_t>(C * taps));
    for (std::int64_t t = 0; t < taps; ++t)
        for (std::int64_t c = 0; c < C; ++c) packed[t * C + c] = w.as<float>()[c * taps + t];
    return packed;
}

/// How neighbouring outputs i and inputs j of a tile meet, for y: filter column j - i stride.
template <int S_, int stride_>
struct ForwardTile {
    static constexpr int S = S_, stride = stride_;
    static constexpr int step = 1;  // a tile may start at any output
    static constexpr int column(int i, int j) { return j - i * stride; }
    static constexpr int first_input() { return 0; }
    static constexpr int last_input(int outputs) { return (outputs - 1) * stride + S - 1; }

    /// Input position of j = 0 for a tile that starts at output o.
    static std::int64_t input(std::int64_t o, std::int64_t padding) { return o * stride - padding; }
    static std::int64_t first_output(std::int64_t padding) {
        return (std::max<std::int64_t>(padding, 0) + stride - 1) / stride;
    }
};

/// The same for dx: filter column i - j stride; tiles start where an output meets column 0.
template <int S_, int stride_>
struct BackwardTile {
    static constexpr int S = S_, stride = stride_;
    static constexpr int step = stride;
    static constexpr int column(int i, int j) { return i - j * stride; }
    static constexpr int first_input() { return -((S - 1) / stride); }
    static constexpr int last_input(int outputs) { return (outputs - 1) / stride; }

    static std::int64_t input(std::int64_t o, std::int64_t padding) { return (o + padding) / stride; }
    static std::int64_t first_output(std::int64_t padding) {
        std::int64_t o = -first_input() * stride - padding;
        while (o < 0) o += stride;
        return o;
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

/// A filter row and the row of the input that it meets.
struct RowPair {
    const float *w, *input;
};

/// `outputs` pixels from `o` on, all of whose inputs exist. `input` is relative to the row start.
template <class Tile, int outputs, class V>
inline void tile(const Gather& g, std::span<const RowPair> pairs, V bias, std::int64_t o, float* to) {
    constexpr int first = Tile::first_input(), last = Tile::last_input(outputs);
    const std::int64_t input = Tile::input(o, g.padding);
    V sum[outputs];
#pragma GCC unroll 8
    for (int i = 0; i < outputs; ++i) sum[i] = bias;
    for (const RowPair& pair : pairs) {
        V w[Tile::S];
#pragma GCC unroll 8
        for (int s = 0; s < Tile::S; ++s) w[s] = load<V>(pair.w + s * g.C);
#pragma GCC unroll 32
        for (int j = first; j <= last; ++j) {
            const V x = load<V>(pair.input + (input + j) * g.C);
#pragma GCC unroll 8
            for (int i = 0; i < outputs; ++i) {
                const int s = Tile::column(i, j);
                if (s >= 0 && s < Tile::S) sum[i] += w[s] * x;
            }
        }
    }
#pragma GCC unroll 8
    for (int i = 0; i < outputs; ++i) store(to + (o + i) * g.C, sum[i]);
}

/// As many tiles as fit into outputs [o, end); returns the first output left over.
template <class Tile, int outputs, class V>
inline std::int64_t tiles(const Gather& g, std::span<const RowPair> pairs, V bias, std::int64_t o,
                          std::int64_t end, float* to) {
    const auto fits = [&] {
        return o + outputs <= end &&
               Tile::input(o, g.padding) + Tile::last_input(outputs) < g.W;
    };
    for (; fits(); o += outputs) tile<Tile, outputs>(g, pairs, bias, o, to);
    if constexpr (outputs > Tile::step)
        o = tiles<Tile, outputs / 2>(g, pairs, bias, o, end, to);
    return o;
}

/// One pixel from its list of taps.
template <class V>
inline void pixel(const Gather& g, std::span<const RowPair> pairs, V sum, std::int64_t o, float* to) {
    for (const RowPair& pair : pairs)
        for (const Tap& tap : g.columns[o])
            sum += load<V>(pair.w + tap.kernel * g.C) * load<V>(pair.input + tap.input * g.C);
    store(to + o * g.C, sum);
}

/// Output row p of image n. `pairs` has room for the filter's rows.
template <class Tile>
void gather_row(const Gather& g, std::int64_t n, std::int64_t p, RowPair* pairs) {
    float* to_row = g.to + (n * g.P + p) * g.Q * g.C;
    const float* from_image = g.from + n * g.H * g.W * g.C;
    const std::span<const Tap> taps = g.rows[p];
    for_channel_blocks(g.C, [&](auto block, std::int64_t c) {
        using V = decltype(block);
        for (std::size_t i = 0; i < taps.size(); ++i)
            pairs[i] = {g.w + taps[i].kernel * g.S * g.C + c,
                        from_image + taps[i].input * g.W * g.C + c};
        const std::span<const RowPair> used(pairs, taps.size());
        const V bias = g.bias != nullptr ? load<V>(g.bias + c) : V{};
        float* to = to_row + c;
        std::int64_t o = 0;
        if constexpr (!std::is_same_v<Tile, NoTile>) {
            const std::int64_t first = std::min(Tile::first_output(g.padding), g.Q);
            for (; o < first; ++o) pixel(g, used, bias, o, to);
            o = tiles<Tile, 8>(g, used, bias, o, g.Q, to);
        }
        for (; o < g.Q; ++o) pixel(g, used, bias, o, to);
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

template <template <int, int> class Tile>
void dispatch(const Gather& g, const CView& w, const ConvParams& p) {
    if (!tiled(w, p)) return gather<NoTile>(g, w.dim(1));
    if (p.stride[1] == 1) return gather<Tile<3, 1>>(g, w.dim(1));
    gather<Tile<3, 2>>(g, w.dim(1));
}

}  // namespace

void depthwise_forward(View y, CView x, CView w, CView bias, const ConvParams& p) {
    const Gather g{y.as<float>(), x.as<float>(), pack_weights(w), bias.as<float>(),
                   y.dim(0), y.dim(1), y.dim(2), x.dim(1), x.dim(2), y.dim(3), w.dim(2), p.padding[1],
                   Taps::forward(p, 0, x.dim(1), w.dim(1), y.dim(1)),
                   Taps::forward(p, 1, x.dim(2), w.dim(2), y.dim(2))};
    dispatch<ForwardTile>(g, w, p);
}

void depthwise_backward_input(View dx, CView dy, CView w, const ConvParams& p) {
    const Gather g{dx.as<float>(), dy.as<float>(), pack_weights(w), nullptr,
                   dx.dim(0), dx.dim(1), dx.dim(2), dy.dim(1), dy.dim(2), dx.dim(3), w.dim(2), p.padding[1],
                   Taps::backward(p, 0, dx.dim(1), w.dim(1), dy.dim(1)),
                   Taps::backward(p, 1, dx.dim(2), w.dim(2), dy.dim(2))};
    dispatch<BackwardTile>(g, w, p);
}

}  // namespace fovea::kernels::cpu
