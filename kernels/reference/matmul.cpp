#include "kernels/include/matmul.h"

#include <algorithm>

#include "kernels/reference/activation.h"
#include "kernels/reference/support.h"

namespace fovea::kernels::reference {
namespace {

/// A matrix with any strides; swapping them transposes it.
template <class T>
struct Matrix {
    const T* data;
    Index row_stride, column_stride;

    double operator()(Index row, Index column) const {
        return static_cast<double>(data[row * row_stride + column * column_stride]);
    }
};

/// write(i, j, sum_k a(i,k) b(k,j)) for every element of an M x N product, summed in the order of k.
/// Columns are taken in panels, so that the innermost loop has a fixed length and dense data.
template <class T, class Write>
void multiply(Index M, Index N, Index K, Matrix<T> a, Matrix<T> b, Write write) {
    constexpr Index width = 32;
    Buffer panel(K * width);
    for (Index first = 0; first < N; first += width) {
        const Index columns = std::min(width, N - first);
        for (Index k = 0; k < K; ++k)
            for (Index j = 0; j < width; ++j)
                panel[k * width + j] = j < columns ? b(k, first + j) : 0.0;

        for (Index i = 0; i < M; ++i) {
            double sum[width] = {};
            for (Index k = 0; k < K; ++k) {
                const double x = a(i, k);
                const double* row = panel.data() + k * width;
                for (Index j = 0; j < width; ++j) sum[j] += x * row[j];
            }
            for (Index j = 0; j < columns; ++j) write(i, first + j, sum[j]);
        }
    }
}

/// Matrix number `batch` of a [B,M,N] or [M,N] view, transposed if asked for.
template <class T>
Matrix<T> matrix_of(const CView& v, Index batch, bool transpose) {
    const T* data = v.as<T>() + (v.rank() == 3 ? batch * v.strides[0] : 0);
    const Index row = v.strides[-2];
    return transpose ? Matrix<T>{data, 1, row} : Matrix<T>{data, row, 1};
}

/// A dense [rows, columns] matrix, and its transpose.
template <class T>
Matrix<T> dense(const CView& v) {
    return {v.as<T>(), v.dim(-1), 1};
}
template <class T>
Matrix<T> dense_transposed(const CView& v) {
    return {v.as<T>(), 1, v.dim(-1)};
}

}  // namespace

void matmul(const Stream&, View c, CView a, CView b, bool transpose_a, bool transpose_b,
            double alpha, GradMode mode) {
    if (!wanted(c, mode)) return;
    const Index batches = c.rank() == 3 ? c.dim(0) : 1;
    const Index K = a.dim(transpose_a ? -2 : -1);
    with_float(c.dtype, [&]<class T>(std::type_identity<T>) {
        for (Index batch = 0; batch < batches; ++batch) {
            T* out = c.as<T>() + (c.rank() == 3 ? batch * c.strides[0] : 0);
            multiply(c.dim(-2), c.dim(-1), K, matrix_of<T>(a, batch, transpose_a),
                     matrix_of<T>(b, batch, transpose_b), [&](Index i, Index j, double sum) {
                         store(out[i * c.strides[-2] + j], alpha * sum, mode);
                     });
        }
    });
}

void linear_forward(const Stream&, View y, CView x, CView w, CView bias, Unary f) {
    with_float(y.dtype, [&]<class T>(std::type_identity<T>) {
        const Index N = w.dim(0);
        T* out = y.as<T>();
        const T* offset = bias.as<T>();
        multiply(rows_of(x), N, w.dim(1), dense<T>(x), dense_transposed<T>(w),
                 [&](Index i, Index j, double sum) {
                     const double shifted = offset ? sum + static_cast<double>(offset[j]) : sum;
                     out[i * N + j] = static_cast<T>(apply(f, shifted));
                 });
    });
}

void linear_backward_input(const Stream&, View dx, CView dy, CView w, GradMode mode) {
    if (!wanted(dx, mode)) return;
    with_float(dx.dtype, [&]<class T>(std::type_identity<T>) {
        const Index K = w.dim(1);
        T* out = dx.as<T>();
        multiply(rows_of(dy), K, w.dim(0), dense<T>(dy), dense<T>(w),
                 [&](Index i, Index j, double sum) { store(out[i * K + j], sum, mode); });
    });
}

void linear_backward_preactivation(const Stream&, View dpre, CView dy, CView w, CView pre, Unary f,
                                   GradMode mode) {
    if (!wanted(dpre, mode)) return;
    with_float(dpre.dtype, [&]<class T>(std::type_identity<T>) {
        const Index K = w.dim(1);
        T* out = dpre.as<T>();
        const T* in = pre.as<T>();
        multiply(rows_of(dy), K, w.dim(0), dense<T>(dy), dense<T>(w),
                 [&](Index i, Index j, double sum) {
                     const Index at = i * K + j;
                     store(out[at], sum * slope(f, static_cast<double>(in[at])), mode);
                 });
    });
}

void linear_backward_weight(const Stream&, View dw, View dbias, CView dy, CView x, GradMode mode) {
    const Index M = rows_of(dy), N = dy.dim(-1), K = x.dim(-1);
    with_float(dy.dtype, [&]<class T>(std::type_identity<T>) {
        if (wanted(dw, mode)) {
            T* out = dw.as<T>();
            multiply(N, K, M, dense_transposed<T>(dy), dense<T>(x),
                     [&](Index i, Index j, double sum) { store(out[i * K + j], sum, mode); });
        }
        if (wanted(dbias, mode)) {
            const T* grad = dy.as<T>();
            Buffer sum(N, 0.0);
            for (Index i = 0; i < M; ++i)
                for (Index j = 0; j < N; ++j) sum[j] += static_cast<double>(grad[i * N + j]);
            for (Index j = 0; j < N; ++j) store(dbias.as<T>()[j], sum[j], mode);
        }
    });
}

}  // namespace fovea::kernels::reference
