// Depthwise convolution, weight and bias gradient: dw[r,s,c] = sum over images and output pixels of
// dy[n,p,q,c] x[n,p',q',c].
//
// Each thread takes a fixed range of output rows and sums it into partial results of its own; these
// are added in order at the end, so the bits depend on the number of threads only. A range is cut
// into bands of rows that stay in cache, and within a band all sums of a block of channels stay in
// registers (3x3 filters).
#include <omp.h>

#include <algorithm>

#include "kernels/cpu/channel_block.h"
#include "kernels/cpu/depthwise_conv.h"
#include "kernels/cpu/scratch.h"

namespace fovea::kernels::cpu {
namespace {

constexpr std::int64_t kBandBytes = 64 << 10;  // of x and dy together

struct Problem {
    const float *dy, *x;  ///< [N,P,Q,C], [N,H,W,C]
    std::int64_t H, W, P, Q, C, R, S;
    ConvParams params;

    std::int64_t input_row(std::int64_t p, std::int64_t r) const {
        return p * params.stride[0] - params.padding[0] + r * params.dilation[0];
    }
    std::int64_t input_column(std::int64_t q, std::int64_t s) const {
        return q * params.stride[1] - params.padding[1] + s * params.dilation[1];
    }
};

/// Output rows [begin, end) of one image; dy and x point to the image.
struct Band {
    const float *dy, *x;
    std::int64_t begin, end;
};

/// Adds `outputs` pixels to the sums of a 3x3 filter; V is a block of channels. `rows`: the three
/// input rows, null where they lie in the padding; the first output meets columns from `column` on.
/// `inside`: all columns lie in the row; otherwise those that do not are left out.
template <int stride, int outputs, bool inside, class V>
inline void add_tile(V (&sum)[3][3], V& bias, const float* dy, const float* const (&rows)[3],
                     std::int64_t column, std::int64_t W, std::int64_t C) {
    V d[outputs];
#pragma GCC unroll 4
    for (int i = 0; i < outputs; ++i) {
        d[i] = load<V>(dy + i * C);
        bias += d[i];
    }
#pragma GCC unroll 3
    for (int r = 0; r < 3; ++r) {
        if (rows[r] == nullptr) continue;
        std::int64_t offset = column * C;
#pragma GCC unroll 16
        for (int j = 0; j < (outputs - 1) * stride + 3; ++j, offset += C) {
            if (!inside && (column + j < 0 || column + j >= W)) continue;
            const V x = load<V>(rows[r] + offset);
#pragma GCC unroll 4
            for (int i = 0; i < outputs; ++i)
                if (j - i * stride >= 0 && j - i * stride < 3) sum[r][j - i * stride] += d[i] * x;
        }
    }
}

/// Output pixels [q, Q) of a row, in tiles of `outputs`, then of smaller ones.
template <int stride, int outputs, class V>
inline void add_row(const Problem& k, V (&sum)[3][3], V& bias, const float* dy,
                    const float* const (&rows)[3], std::int64_t q) {
    for (; q + outputs <= k.Q; q += outputs) {
        const std::int64_t column = k.input_column(q, 0);
        if (column >= 0 && column + (outputs - 1) * stride + 2 < k.W)
            add_tile<stride, outputs, true>(sum, bias, dy + q * k.C, rows, column, k.W, k.C);
        else
            add_tile<stride, outputs, false>(sum, bias, dy + q * k.C, rows, column, k.W, k.C);
    }
    if constexpr (outputs > 1) add_row<stride, outputs / 2>(k, sum, bias, dy, rows, q);
}

/// partial [10,C] += the band's sums: nine of a 3x3 filter, and the bias.
template <int stride>
void add_band_3x3(const Problem& k, const Band& band, float* partial) {
    for_channel_blocks(k.C, [&](auto block, std::int64_t c) {
        using V = decltype(block);
        V sum[3][3] = {}, bias{};
        for (std::int64_t p = band.begin; p < band.end; ++p) {
            const float* rows[3];
            for (int r = 0; r < 3; ++r) {
                const std::int64_t h = k.input_row(p, r);
                rows[r] = h >= 0 && h < k.H ? band.x + h * k.W * k.C + c : nullptr;
            }
            add_row<stride, 4>(k, sum, bias, band.dy + p * k.Q * k.C + c, rows, 0);
        }
        for (int t = 0; t < 9; ++t)
            store(partial + t * k.C + c, load<V>(partial + t * k.C + c) + sum[t / 3][t % 3]);
        store(partial + 9 * k.C + c, load<V>(partial + 9 * k.C + c) + bias);
    });
}

/// partial [R S + 1,C] += the band's sums, any filter: one tap after the other.
void add_band(const Problem& k, const Band& band, float* partial) {
    const auto add_products = [&](float* sums, const float* dy, const float* x) {
#pragma omp simd
        for (std::int64_t c = 0; c < k.C; ++c) sums[c] += dy[c] * x[c];
    };
    float* bias = partial + k.R * k.S * k.C;
    for (std::int64_t p = band.begin; p < band.end; ++p) {
        for (std::int64_t q = 0; q < k.Q; ++q) {
            const float* dy = band.dy + (p * k.Q + q) * k.C;
#pragma omp simd
            for (std::int64_t c = 0; c < k.C; ++c) bias[c] += dy[c];
            for (std::int64_t r = 0; r < k.R; ++r) {
                const std::int64_t h = k.input_row(p, r);
                if (h < 0 || h >= k.H) continue;
                for (std::int64_t s = 0; s < k.S; ++s) {
                    const std::int64_t w = k.input_column(q, s);
                    if (w < 0 || w >= k.W) continue;
                    add_products(partial + (r * k.S + s) * k.C, dy, band.x + (h * k.W + w) * k.C);
                }
            }
        }
    }
}

/// partial = sums over output rows [begin, end), counted through all images.
void add_rows(const Problem& k, std::int64_t begin, std::int64_t end, float* partial) {
    std::fill_n(partial, (k.R * k.S + 1) * k.C, 0.0F);
    const std::int64_t row_bytes =
        static_cast<std::int64_t>(sizeof(float)) * k.C * (k.Q + k.params.stride[0] * k.W);
    const std::int64_t band_rows = std::max<std::int64_t>(1, kBandBytes / row_bytes);
    const bool fast = k.R == 3 && k.S == 3 && k.params.dilation[1] == 1;
    while (begin < end) {
        const std::int64_t image = begin / k.P, p = begin % k.P;
        const std::int64_t rows = std::min({band_rows, k.P - p, end - begin});
        const Band band{k.dy + image * k.P * k.Q * k.C, k.x + image * k.H * k.W * k.C, p, p + rows};
        if (fast && k.params.stride[1] == 1)
            add_band_3x3<1>(k, band, partial);
        else if (fast && k.params.stride[1] == 2)
            add_band_3x3<2>(k, band, partial);
        else
            add_band(k, band, partial);
        begin += rows;
    }
}

}  // namespace

void depthwise_backward_weight(View dw, View dbias, CView dy, CView x, const ConvParams& params,
                               GradMode mode) {
    const Problem k{dy.as<float>(), x.as<float>(), x.dim(1),  x.dim(2),  dy.dim(1),
                    dy.dim(2),      dy.dim(3),     dw.dim(1), dw.dim(2), params};
    const std::int64_t rows = dy.dim(0) * k.P, taps = k.R * k.S;
    const std::int64_t parts = std::min<std::int64_t>(omp_get_max_threads(), rows);
    const std::int64_t stride = ((taps + 1) * k.C + 15) / 16 * 16;  // whole cache lines
    float* partials = scratch_floats(ScratchSlot::Work, static_cast<std::size_t>(parts * stride));
#pragma omp parallel for schedule(static)
    for (std::int64_t part = 0; part < parts; ++part)
        add_rows(k, rows * part / parts, rows * (part + 1) / parts, partials + part * stride);

    const auto total = [&](std::int64_t tap, std::int64_t c) {
        float sum = 0.0F;
        for (std::int64_t part = 0; part < parts; ++part)
            sum += partials[part * stride + tap * k.C + c];
        return sum;
    };
    const float keep = mode == GradMode::Accumulate ? 1.0F : 0.0F;
    const auto write = [&](float& to, float sum) { to = keep != 0.0F ? to + sum : sum; };
    for (std::int64_t c = 0; c < k.C; ++c) {
        for (std::int64_t t = 0; t < taps; ++t) write(dw.as<float>()[c * taps + t], total(t, c));
        if (dbias) write(dbias.as<float>()[c], total(taps, c));
    }
}

}  // namespace fovea::kernels::cpu
