#include "kernels/include/attention.h"

#include <cmath>

#include "kernels/reference/support.h"

namespace fovea::kernels::reference {
namespace {

/// The [T,D] matrix of one (batch, head) of a [B,T,H,D] view.
template <class T, class V>
struct Head {
    const V& view;
    Index batch, head;

    auto* row(Index t) const {
        const Shape& s = view.strides;
        return view.template as<T>() + batch * s.dims[0] + t * s.dims[1] + head * s.dims[2];
    }
};

/// Its transpose as a dense [D,T] matrix of doubles.
template <class T>
Buffer transposed(const Head<T, CView>& x) {
    const Index rows = x.view.dim(1), D = x.view.dim(3);
    Buffer out(rows * D);
    for (Index t = 0; t < rows; ++t)
        for (Index d = 0; d < D; ++d) out[d * rows + t] = static_cast<double>(x.row(t)[d]);
    return out;
}

/// out[j] = scale * sum_d row[d] matrix[d,j]: one row against all columns.
template <class T>
void project(Buffer& out, const T* row, Index D, const Buffer& matrix, double scale) {
    const auto columns = static_cast<Index>(out.size());
    double* sum = out.data();
    for (Index j = 0; j < columns; ++j) sum[j] = 0.0;
    for (Index d = 0; d < D; ++d) {
        const auto x = static_cast<double>(row[d]);
        const double* m = matrix.data() + d * columns;
        for (Index j = 0; j < columns; ++j) sum[j] += x * m[j];
    }
    for (Index j = 0; j < columns; ++j) sum[j] *= scale;
}

/// Scores of a row become its probabilities; a row that attends to nothing gets zeros.
void to_probabilities(Buffer& scores, double lse) {
    for (double& s : scores) s = std::isinf(lse) && lse < 0.0 ? 0.0 : std::exp(s - lse);
}

}  // namespace

void attention_forward(const Stream&, View o, View lse, CView q, CView k, CView v, double scale) {
    const Index B = q.dim(0), Tq = q.dim(1), H = q.dim(2), D = q.dim(3), Tk = k.dim(1);
    with_float(o.dtype, [&]<class T>(std::type_identity<T>) {
        Buffer p(Tk), sum(D);
        for (Index b = 0; b < B; ++b)
            for (Index h = 0; h < H; ++h) {
                const Head<T, CView> queries{q, b, h}, values{v, b, h};
                const Head<T, View> outputs{o, b, h};
                const Buffer keys = transposed(Head<T, CView>{k, b, h});
                for (Index i = 0; i < Tq; ++i) {
                    project(p, queries.row(i), D, keys, scale);
                    const double shift = exponent_shift(p.data(), Tk);
                    double total = 0.0;
                    for (double& x : p) {
                        x = std::exp(x - shift);
                        total += x;
                    }

                    std::fill(sum.begin(), sum.end(), 0.0);
                    for (Index j = 0; j < Tk; ++j) add_scaled(sum.data(), values.row(j), p[j], D);
                    for (Index d = 0; d < D; ++d)
                        outputs.row(i)[d] = static_cast<T>(total == 0.0 ? 0.0 : sum[d] / total);
                    if (lse)
                        lse.as<T>()[(b * H + h) * Tq + i] = static_cast<T>(shift + std::log(total));
                }
            }
    });
}

void attention_backward(const Stream&, View dq, View dk, View dv, CView dout, CView o, CView lse,
                        CView q, CView k, CView v, double scale) {
    const Index B = q.dim(0), Tq = q.dim(1), H = q.dim(2), D = q.dim(3), Tk = k.dim(1);
    const Index key_size = Tk * D;
    with_float(q.dtype, [&]<class T>(std::type_identity<T>) {
        Buffer p(Tk), dp(p), query_sum(D);
        for (Index b = 0; b < B; ++b)
            for (Index h = 0; h < H; ++h) {
                const Head<T, CView> queries{q, b, h}, keys{k, b, h}, values{v, b, h};
                const Head<T, CView> outputs{o, b, h}, grads{dout, b, h};
                const Head<T, View> query_grads{dq, b, h}, key_grads{dk, b, h};
                const Head<T, View> value_grads{dv, b, h};
                const Buffer key_columns = transposed(keys), value_columns = transposed(values);
                Buffer key_sum(key_size, 0.0), value_sum(key_size, 0.0);

                for (Index i = 0; i < Tq; ++i) {
                    const T *query = queries.row(i), *grad = grads.row(i);
                    project(p, query, D, key_columns, scale);
                    to_probabilities(p, static_cast<double>(lse.as<T>()[(b * H + h) * Tq + i]));
                    project(dp, grad, D, value_columns, 1.0);

                    double delta = 0.0;  // sum_j p_j dp_j, by way of the saved output
                    for (Index d = 0; d < D; ++d)
                        delta +=
                            static_cast<double>(grad[d]) * static_cast<double>(outputs.row(i)[d]);

                    std::fill(query_sum.begin(), query_sum.end(), 0.0);
                    for (Index j = 0; j < Tk; ++j) {
                        const double pj = p[j];
                        const double ds = scale * pj * (dp[j] - delta);
                        add_scaled(query_sum.data(), keys.row(j), ds, D);
                        add_scaled(key_sum.data() + j * D, query, ds, D);
                        add_scaled(value_sum.data() + j * D, grad, pj, D);
                    }
                    for (Index d = 0; d < D; ++d)
                        query_grads.row(i)[d] = static_cast<T>(query_sum[d]);
                }
                for (Index j = 0; j < Tk; ++j)
                    for (Index d = 0; d < D; ++d) {
                        key_grads.row(j)[d] = static_cast<T>(key_sum[j * D + d]);
                        value_grads.row(j)[d] = static_cast<T>(value_sum[j * D + d]);
                    }
            }
    });
}

void attention_probabilities(const Stream&, View p, CView q, CView k, CView lse, double scale) {
    const Index B = q.dim(0), Tq = q.dim(1), H = q.dim(2), D = q.dim(3), Tk = k.dim(1);
    with_float(p.dtype, [&]<class T>(std::type_identity<T>) {
        Buffer row(Tk);
        for (Index b = 0; b < B; ++b)
            for (Index h = 0; h < H; ++h) {
                const Head<T, CView> queries{q, b, h};
                const Buffer keys = transposed(Head<T, CView>{k, b, h});
                for (Index i = 0; i < Tq; ++i) {
                    const Index at = (b * H + h) * Tq + i;
                    project(row, queries.row(i), D, keys, scale);
                    to_probabilities(row, static_cast<double>(lse.as<T>()[at]));
                    for (Index j = 0; j < Tk; ++j) p.as<T>()[at * Tk + j] = static_cast<T>(row[j]);
                }
            }
    });
}

}  // namespace fovea::kernels::reference
