#include "kernels/include/norm.h"

#include <algorithm>
#include <cmath>

#include "kernels/reference/support.h"

namespace fovea::kernels::reference {
namespace {

/// Writes a buffer of sums to a gradient that may not be wanted.
template <class T>
void store_all(const View& y, const Buffer& sums, GradMode mode) {
    if (!wanted(y, mode)) return;
    for (Index i = 0; i < y.numel(); ++i) store(y.as<T>()[i], sums[i], mode);
}

/// v[i], or `otherwise` where the view is empty.
template <class T>
double element(const CView& v, Index i, double otherwise) {
    return v ? static_cast<double>(v.as<T>()[i]) : otherwise;
}

/// Mean of f(r, c) over the rows r, for every column c.
template <class F>
Buffer column_means(Index rows, Index C, F f) {
    Buffer mean(C, 0.0);
    for (Index r = 0; r < rows; ++r)
        for (Index c = 0; c < C; ++c) mean[c] += f(r, c);
    for (double& m : mean) m /= static_cast<double>(rows);
    return mean;
}

/// Sums over the rows that a batch norm's backward needs: dw = sum dy xhat and db = sum dy.
struct ParameterSums {
    Buffer dw, db;
};
template <class T>
ParameterSums parameter_sums(const CView& dy, const CView& x, const Buffer& mean,
                             const Buffer& rstd) {
    const Index rows = rows_of(x), C = x.dim(-1);
    ParameterSums sums{Buffer(C, 0.0), Buffer(C, 0.0)};
    const T *grad = dy.as<T>(), *in = x.as<T>();
    for (Index r = 0; r < rows; ++r, grad += C, in += C)
        for (Index c = 0; c < C; ++c) {
            const auto g = static_cast<double>(grad[c]);
            sums.dw[c] += g * (static_cast<double>(in[c]) - mean[c]) * rstd[c];
            sums.db[c] += g;
        }
    return sums;
}

template <class T>
Buffer to_buffer(const CView& v) {
    return Buffer(v.as<T>(), v.as<T>() + v.numel());
}

/// 1 / sqrt(var + eps).
template <class T>
Buffer reciprocal_deviation(const CView& var, double eps) {
    Buffer rstd = to_buffer<T>(var);
    for (double& s : rstd) s = 1.0 / std::sqrt(s + eps);
    return rstd;
}

/// Row r of a layer norm, from the elements `in`.
template <class T>
void normalise_row(const View& y, const View& mean, const View& rstd, const T* in, Index r,
                   const CView& w, const CView& b, double eps) {
    const Index C = y.dim(-1);
    double m = 0.0, var = 0.0;
    for (Index c = 0; c < C; ++c) m += static_cast<double>(in[c]);
    m /= static_cast<double>(C);
    for (Index c = 0; c < C; ++c) {
        const double d = static_cast<double>(in[c]) - m;
        var += d * d;
    }
    const double s = 1.0 / std::sqrt(var / static_cast<double>(C) + eps);
    for (Index c = 0; c < C; ++c) {
        const double xhat = (static_cast<double>(in[c]) - m) * s;
        y.as<T>()[r * C + c] = static_cast<T>(xhat * element<T>(w, c, 1.0) + element<T>(b, c, 0.0));
    }
    if (mean) mean.as<T>()[r] = static_cast<T>(m);
    if (rstd) rstd.as<T>()[r] = static_cast<T>(s);
}

/// y = (x - mean) * rstd * w + b with one mean and rstd per column.
template <class T>
void normalise_columns(const View& y, const CView& x, const Buffer& mean, const Buffer& rstd,
                       const CView& w, const CView& b) {
    const Index rows = rows_of(x), C = x.dim(-1);
    for (Index r = 0; r < rows; ++r)
        for (Index c = 0; c < C; ++c) {
            const double xhat = (static_cast<double>(x.as<T>()[r * C + c]) - mean[c]) * rstd[c];
            y.as<T>()[r * C + c] =
                static_cast<T>(xhat * element<T>(w, c, 1.0) + element<T>(b, c, 0.0));
        }
}

}  // namespace

void layer_norm_forward(const Stream&, View y, View mean, View rstd, CView x, CView w, CView b,
                        double eps) {
    with_float(x.dtype, [&]<class T>(std::type_identity<T>) {
        const Index C = x.dim(-1);
        for (Index r = 0; r < rows_of(x); ++r)
            normalise_row<T>(y, mean, rstd, x.as<T>() + r * C, r, w, b, eps);
    });
}

void add_layer_norm_forward(const Stream&, View sum, View y, View mean, View rstd, CView x,
                            CView residual, CView w, CView b, double eps) {
    with_float(x.dtype, [&]<class T>(std::type_identity<T>) {
        const Index C = x.dim(-1);
        for (Index r = 0; r < rows_of(x); ++r) {
            T* const row = sum.as<T>() + r * C;
            for (Index c = 0; c < C; ++c)
                row[c] = static_cast<T>(static_cast<double>(x.as<T>()[r * C + c]) +
                                        static_cast<double>(residual.as<T>()[r * C + c]));
            normalise_row<T>(y, mean, rstd, row, r, w, b, eps);
        }
    });
}

void layer_norm_backward(const Stream&, View dx, View dw, View db, CView dy, CView x, CView w,
                         CView mean, CView rstd, GradMode dx_mode, GradMode param_mode) {
    with_float(x.dtype, [&]<class T>(std::type_identity<T>) {
        const Index rows = rows_of(x), C = x.dim(-1);
        Buffer dw_sum(C, 0.0), db_sum(dw_sum), xhat(dw_sum), g(dw_sum);
        for (Index r = 0; r < rows; ++r) {
            const auto m = static_cast<double>(mean.as<T>()[r]);
            const auto s = static_cast<double>(rstd.as<T>()[r]);
            double g_mean = 0.0, g_xhat_mean = 0.0;
            for (Index c = 0; c < C; ++c) {
                const auto grad = static_cast<double>(dy.as<T>()[r * C + c]);
                xhat[c] = (static_cast<double>(x.as<T>()[r * C + c]) - m) * s;
                g[c] = grad * element<T>(w, c, 1.0);
                dw_sum[c] += grad * xhat[c];
                db_sum[c] += grad;
                g_mean += g[c];
                g_xhat_mean += g[c] * xhat[c];
            }
            if (!wanted(dx, dx_mode)) continue;
            g_mean /= static_cast<double>(C);
            g_xhat_mean /= static_cast<double>(C);
            for (Index c = 0; c < C; ++c)
                store(dx.as<T>()[r * C + c], s * (g[c] - g_mean - xhat[c] * g_xhat_mean), dx_mode);
        }
        store_all<T>(dw, dw_sum, param_mode);
        store_all<T>(db, db_sum, param_mode);
    });
}

void batch_norm_forward_train(const Stream&, View y, View mean, View rstd, View running_mean,
                              View running_var, CView x, CView w, CView b, double eps,
                              double momentum) {
    const Index rows = rows_of(x), C = x.dim(-1);
    if (rows == 0) return;
    with_float(x.dtype, [&]<class T>(std::type_identity<T>) {
        const T* in = x.as<T>();
        const Buffer m = column_means(
            rows, C, [&](Index r, Index c) { return static_cast<double>(in[r * C + c]); });
        const Buffer var = column_means(rows, C, [&](Index r, Index c) {
            const double d = static_cast<double>(in[r * C + c]) - m[c];
            return d * d;
        });
        Buffer s(var);
        for (double& v : s) v = 1.0 / std::sqrt(v + eps);
        normalise_columns<T>(y, x, m, s, w, b);

        store_all<T>(mean, m, GradMode::Overwrite);
        store_all<T>(rstd, s, GradMode::Overwrite);
        const auto n = static_cast<double>(rows);
        const double unbiased = n / std::max(n - 1.0, 1.0);
        const auto blend = [&](T& running, double batch) {
            running =
                static_cast<T>((1.0 - momentum) * static_cast<double>(running) + momentum * batch);
        };
        for (Index c = 0; c < C; ++c) {
            if (running_mean) blend(running_mean.as<T>()[c], m[c]);
            if (running_var) blend(running_var.as<T>()[c], var[c] * unbiased);
        }
    });
}

void batch_norm_forward_eval(const Stream&, View y, CView x, CView w, CView b, CView running_mean,
                             CView running_var, double eps) {
    with_float(x.dtype, [&]<class T>(std::type_identity<T>) {
        normalise_columns<T>(y, x, to_buffer<T>(running_mean),
                             reciprocal_deviation<T>(running_var, eps), w, b);
    });
}

void batch_norm_backward_train(const Stream&, View dx, View dw, View db, CView dy, CView x, CView w,
                               CView mean, CView rstd, GradMode param_mode) {
    with_float(x.dtype, [&]<class T>(std::type_identity<T>) {
        const Index rows = rows_of(x), C = x.dim(-1);
        const Buffer m = to_buffer<T>(mean), s = to_buffer<T>(rstd);
        const ParameterSums sums = parameter_sums<T>(dy, x, m, s);
        store_all<T>(dw, sums.dw, param_mode);
        store_all<T>(db, sums.db, param_mode);
        if (!dx) return;
        const auto n = static_cast<double>(rows);
        for (Index r = 0; r < rows; ++r)
            for (Index c = 0; c < C; ++c) {
                const double xhat = (static_cast<double>(x.as<T>()[r * C + c]) - m[c]) * s[c];
                const auto grad = static_cast<double>(dy.as<T>()[r * C + c]);
                dx.as<T>()[r * C + c] = static_cast<T>(
                    element<T>(w, c, 1.0) * s[c] * (grad - sums.db[c] / n - xhat * sums.dw[c] / n));
            }
    });
}

void batch_norm_backward_eval(const Stream&, View dx, View dw, View db, CView dy, CView x, CView w,
                              CView running_mean, CView running_var, double eps,
                              GradMode param_mode) {
    with_float(dy.dtype, [&]<class T>(std::type_identity<T>) {
        const Index rows = rows_of(dy), C = dy.dim(-1);
        const Buffer s = reciprocal_deviation<T>(running_var, eps);
        if (wanted(dw, param_mode) || wanted(db, param_mode)) {
            const ParameterSums sums = parameter_sums<T>(dy, x, to_buffer<T>(running_mean), s);
            store_all<T>(dw, sums.dw, param_mode);
            store_all<T>(db, sums.db, param_mode);
        }
        if (!dx) return;
        for (Index r = 0; r < rows; ++r)
            for (Index c = 0; c < C; ++c)
                dx.as<T>()[r * C + c] = static_cast<T>(static_cast<double>(dy.as<T>()[r * C + c]) *
                                                       element<T>(w, c, 1.0) * s[c]);
    });
}

}  // namespace fovea::kernels::reference
