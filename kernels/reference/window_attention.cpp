#include "kernels/include/window_attention.h"

#include <cmath>

#include "kernels/reference/support.h"

namespace fovea::kernels::reference {
namespace {

struct Sizes {
    WindowGrid grid;
    Index B, H, W, C, D, heads, N;

    Sizes(const CView& qkv, const WindowParams& p)
        : grid(qkv.dim(1), qkv.dim(2), p), B(qkv.dim(0)), H(qkv.dim(1)), W(qkv.dim(2)),
          C(qkv.dim(3) / 3), D(C / p.heads), heads(p.heads), N(grid.tokens()) {}

    /// f(image, window, head, number of its first row in lse) for all of them, heads fastest.
    template <class F>
    void for_each(F f) const {
        Index first = 0;
        for (Index b = 0; b < B; ++b)
            for (Index w = 0; w < grid.windows(); ++w)
                for (Index h = 0; h < heads; ++h, first += N) f(b, w, h, first);
    }
};

/// The tokens of one (image, window, head) in a [B,H,W,width] map; `part` is the head's first column.
template <class T, class V>
struct WindowRows {
    const V& map;
    const Sizes& sizes;
    Index image, window, part;

    auto* row(Index token) const {
        const Index place = image * sizes.H * sizes.W + sizes.grid.place(window, token);
        return map.template as<T>() + place * map.dim(3) + part;
    }
};

/// scores[j] = S[i,j].
template <class T>
void score_row(Buffer& scores, Index i, const WindowRows<T, CView>& q,
               const WindowRows<T, CView>& k, Index head, CView table, const WindowParams& p) {
    const Sizes& s = q.sizes;
    const T* query = q.row(i);
    for (Index j = 0; j < s.N; ++j) {
        const T* key = k.row(j);
        double product = 0.0;
        for (Index d = 0; d < s.D; ++d)
            product += static_cast<double>(query[d]) * static_cast<double>(key[d]);
        scores[j] = p.scale * product;
        if (table)
            scores[j] += static_cast<double>(table.as<T>()[s.grid.bias_row(i, j) * s.heads + head]);
        if (s.grid.region(q.window, i) != s.grid.region(q.window, j)) scores[j] += p.masked_value;
    }
}

}  // namespace

void window_attention_forward(const Stream&, View o, View lse, CView qkv, CView table,
                              const WindowParams& params) {
    const Sizes s(qkv, params);
    with_float(o.dtype, [&]<class T>(std::type_identity<T>) {
        Buffer p(s.N), sum(s.D);
        s.for_each([&](Index b, Index window, Index h, Index first) {
            const WindowRows<T, CView> q{qkv, s, b, window, h * s.D};
            const WindowRows<T, CView> k{qkv, s, b, window, s.C + h * s.D};
            const WindowRows<T, CView> v{qkv, s, b, window, 2 * s.C + h * s.D};
            const WindowRows<T, View> out{o, s, b, window, h * s.D};
            for (Index i = 0; i < s.N; ++i) {
                score_row(p, i, q, k, h, table, params);
                const double shift = exponent_shift(p.data(), s.N);
                double total = 0.0;
                for (double& x : p) total += x = std::exp(x - shift);

                std::fill(sum.begin(), sum.end(), 0.0);
                for (Index j = 0; j < s.N; ++j) add_scaled(sum.data(), v.row(j), p[j], s.D);
                for (Index d = 0; d < s.D; ++d) out.row(i)[d] = static_cast<T>(sum[d] / total);
                if (lse) lse.as<T>()[first + i] = static_cast<T>(shift + std::log(total));
            }
        });
    });
}

void window_attention_backward(const Stream&, View dqkv, View dtable, CView dout, CView o,
                               CView lse, CView qkv, CView table, const WindowParams& params,
                               GradMode table_mode) {
    const Sizes s(qkv, params);
    const Index size = s.N * s.D;
    with_float(qkv.dtype, [&]<class T>(std::type_identity<T>) {
        Buffer p(s.N), dq(s.D), table_sum(s.grid.table_rows() * s.heads, 0.0);
        s.for_each([&](Index b, Index window, Index h, Index first) {
            const auto rows = [&]<class V>(const V& map, Index part) {
                return WindowRows<T, V>{map, s, b, window, part * s.C + h * s.D};
            };
            const auto q = rows(qkv, 0), k = rows(qkv, 1), v = rows(qkv, 2);
            const auto grads = rows(dout, 0), outputs = rows(o, 0);
            const auto q_grads = rows(dqkv, 0), k_grads = rows(dqkv, 1), v_grads = rows(dqkv, 2);
            Buffer dk(size, 0.0), dv(size, 0.0);

            for (Index i = 0; i < s.N; ++i) {
                const T *grad = grads.row(i), *output = outputs.row(i);
                score_row(p, i, q, k, h, table, params);
                double delta = 0.0;  // sum_j p_j dp_j, by way of the saved output
                for (Index d = 0; d < s.D; ++d)
                    delta += static_cast<double>(grad[d]) * static_cast<double>(output[d]);

                std::fill(dq.begin(), dq.end(), 0.0);
                for (Index j = 0; j < s.N; ++j) {
                    const double pj = std::exp(p[j] - static_cast<double>(lse.as<T>()[first + i]));
                    const T* value = v.row(j);
                    double dp = 0.0;
                    for (Index d = 0; d < s.D; ++d)
                        dp += static_cast<double>(grad[d]) * static_cast<double>(value[d]);
                    const double ds = pj * (dp - delta);
                    table_sum[s.grid.bias_row(i, j) * s.heads + h] += ds;
                    add_scaled(dq.data(), k.row(j), params.scale * ds, s.D);
                    add_scaled(dk.data() + j * s.D, q.row(i), params.scale * ds, s.D);
                    add_scaled(dv.data() + j * s.D, grad, pj, s.D);
                }
                T* q_grad = q_grads.row(i);
                for (Index d = 0; d < s.D; ++d) q_grad[d] = static_cast<T>(dq[d]);
            }
            for (Index j = 0; j < s.N; ++j)
                for (Index d = 0; d < s.D; ++d) {
                    k_grads.row(j)[d] = static_cast<T>(dk[j * s.D + d]);
                    v_grads.row(j)[d] = static_cast<T>(dv[j * s.D + d]);
                }
        });
        if (wanted(dtable, table_mode))
            for (Index i = 0; i < dtable.numel(); ++i)
                store(dtable.as<T>()[i], table_sum[i], table_mode);
    });
}

}  // namespace fovea::kernels::reference
