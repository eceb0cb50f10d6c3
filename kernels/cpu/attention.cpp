// Attention, one task per (batch, head): with all of a head's keys and values in the cache, every
// product is a small matrix product and gradients need no atomics. Queries are taken a block at a time
// so that the block's scores stay in the L1 cache; the keys (and, for backward, the values) are
// transposed once per head so that scores come out in vectors of keys.
//   forward   S = scale Q K^T, P = exp(S - max), O = P V / sum
//   backward  P = exp(S - lse), dV = P^T dO, dS = scale P (dO V^T - rowsum(dO O)),
//             dQ = dS K, dK = dS^T Q
#include "kernels/include/attention.h"

#include "kernels/cpu/parallel.h"
#include "kernels/cpu/small_gemm.h"
#include "kernels/cpu/softmax_row.h"

namespace fovea::kernels::cpu {
namespace {

struct Sizes {
    std::int64_t B, H, Tq, Tk, D;
    std::int64_t padded;  ///< Tk in whole vectors
    std::int64_t stride;  ///< of rows of scores

    Sizes(const CView& q, const CView& k)
        : B(q.dim(0)), H(q.dim(2)), Tq(q.dim(1)), Tk(k.dim(1)), D(q.dim(3)),
          padded((Tk + kLanes - 1) / kLanes * kLanes),
          // Rows a multiple of 4 KiB apart would all fall into the same few cache sets.
          stride(padded % 1024 == 0 ? padded + kLanes : padded) {}

    /// Queries per block: 16 KiB of scores, in whole tiles.
    std::int64_t block() const {
        return std::max<std::int64_t>(1, 4096 / (stride * kTileRows)) * kTileRows;
    }
};

/// The [T, D] matrix of one (batch, head).
Strided<const float> head_of(const CView& x, std::int64_t b, std::int64_t h) {
    return {x.as<float>() + b * x.strides[0] + h * x.strides[2], x.strides[1]};
}
Strided<float> head_of(const View& x, std::int64_t b, std::int64_t h) {
    return {x.as<float>() + b * x.strides[0] + h * x.strides[2], x.strides[1]};
}

/// f(batch, head) for all of them, by threads.
template <class F>
void for_heads(const Sizes& s, std::int64_t work, const F& f) {
    parallel_for(s.B * s.H, work, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) f(i / s.H, i % s.H);
    });
}

}  // namespace

void attention_forward(const Stream&, View o, View lse, CView q, CView k, CView v, double scale) {
    const Sizes s(q, k);
    const std::int64_t block = s.block();
    const float factor = static_cast<float>(scale);

    for_heads(s, s.Tq * s.Tk * s.D, [&](std::int64_t b, std::int64_t h) {
        static thread_local Scratch<float> scratch;
        float* const keys = scratch.get(s.stride * (s.D + block) + block + kLanes);
        const Strided<float> scores{keys + s.stride * s.D, s.stride};
        float* const scales = scores.at(block);  // one per row, in whole vectors
        const Strided<float> output = head_of(o, b, h);
        const Strided<const float> queries = head_of(q, b, h), values = head_of(v, b, h);
        transpose(keys, s.stride, head_of(k, b, h), s.Tk, s.D);

        for (std::int64_t start = 0; start < s.Tq; start += block) {
            const std::int64_t rows = std::min(block, s.Tq - start);
            small_gemm(rows, s.padded, s.D, scores, {queries.at(start), queries.row},
                       {keys, s.stride});
            for (std::int64_t i = 0; i < rows; i += kLanes) {
                const std::int64_t some = std::min<std::int64_t>(kLanes, rows - i);
                const Numerators group(scores.at(i), s.stride, some, s.Tk, factor);
                store(scales + i, inverse_or_zero(group.sum));
                if (lse)
                    store_some(lse.as<float>() + (b * s.H + h) * s.Tq + start + i,
                               group.max + log(group.sum), static_cast<int>(some));
            }
            small_gemm(rows, s.D, s.Tk, {output.at(start), output.row}, {scores.data, scores.row},
                       values, {.row_scale = scales});
        }
    });
}

void attention_backward(const Stream&, View dq, View dk, View dv, CView dout, CView o, CView lse,
                        CView q, CView k, CView v, double scale) {
    const Sizes s(q, k);
    const std::int64_t block = s.block();
    const float factor = static_cast<float>(scale);

    for_heads(s, 2 * s.Tq * s.Tk * s.D, [&](std::int64_t b, std::int64_t h) {
        static thread_local Scratch<float> scratch;
        float* const key_columns = scratch.get(2 * s.stride * (s.D + block));
        float* const value_columns = key_columns + s.stride * s.D;
        const Strided<float> p{value_columns + s.stride * s.D, s.stride};
        const Strided<float> ds{p.data + s.stride * block, s.stride};
        const Strided<const float> queries = head_of(q, b, h), keys = head_of(k, b, h);
        const Strided<const float> grads = head_of(dout, b, h), outputs = head_of(o, b, h);
        const Strided<float> query_grads = head_of(dq, b, h), key_grads = head_of(dk, b, h);
        const Strided<float> value_grads = head_of(dv, b, h);
        transpose(key_columns, s.stride, keys, s.Tk, s.D);
        transpose(value_columns, s.stride, head_of(v, b, h), s.Tk, s.D);
        if (s.Tq == 0)
            for (std::int64_t j = 0; j < s.Tk; ++j) {
                std::fill(key_grads.at(j), key_grads.at(j) + s.D, 0.0f);
                std::fill(value_grads.at(j), value_grads.at(j) + s.D, 0.0f);
            }

        for (std::int64_t start = 0; start < s.Tq; start += block) {
            const std::int64_t rows = std::min(block, s.Tq - start);
            const Strided<const float> q_rows{queries.at(start), queries.row};
            const Strided<const float> g_rows{grads.at(start), grads.row};
            small_gemm(rows, s.padded, s.D, p, q_rows, {key_columns, s.stride});
            small_gemm(rows, s.padded, s.D, ds, g_rows, {value_columns, s.stride});
            for (std::int64_t i = 0; i < rows; ++i) {
                const std::int64_t row = (b * s.H + h) * s.Tq + start + i;
                const Vec shift = splat(finite_shift(lse.as<float>()[row]));
                Vec delta{};
                for_each(
                    s.D, [&](Vec g, Vec y) { delta += g * y; }, g_rows.at(i),
                    outputs.at(start + i));
                delta = sum_of_lanes(delta);
                for (std::int64_t j = 0; j < s.padded; j += kLanes) {
                    const Vec w = exp_flush(factor * load(p.at(i, j)) - shift);
                    store(p.at(i, j), w);
                    store(ds.at(i, j), factor * w * (load(ds.at(i, j)) - delta));
                }
            }
            small_gemm(rows, s.D, s.Tk, {query_grads.at(start), query_grads.row}, {ds.data, ds.row},
                       keys);
            small_gemm(s.Tk, s.D, rows, value_grads, {p.data, 1, p.row}, g_rows,
                       {.accumulate = start > 0});
            small_gemm(s.Tk, s.D, rows, key_grads, {ds.data, 1, ds.row}, q_rows,
                       {.accumulate = start > 0});
        }
    });
}

void attention_probabilities(const Stream&, View p, CView q, CView k, CView lse, double scale) {
    const Sizes s(q, k);
    const float factor = static_cast<float>(scale);
    for_heads(s, s.Tq * s.Tk * s.D, [&](std::int64_t b, std::int64_t h) {
        static thread_local Scratch<float> scratch;
        float* const keys = scratch.get(s.stride * s.D);
        transpose(keys, s.stride, head_of(k, b, h), s.Tk, s.D);
        const std::int64_t first = (b * s.H + h) * s.Tq;
        float* const out = p.as<float>() + first * s.Tk;
        small_gemm(s.Tq, s.Tk, s.D, {out, s.Tk}, head_of(q, b, h), {keys, s.stride});
        for (std::int64_t i = 0; i < s.Tq; ++i) {
            const float shift = finite_shift(lse.as<float>()[first + i]);
            map(
                s.Tk, [&](Vec x) { return exp_flush(factor * x - shift); }, out + i * s.Tk,
                out + i * s.Tk);
        }
    });
}

}  // namespace fovea::kernels::cpu
