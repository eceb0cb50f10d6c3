#include "kernels/include/softmax.h"

#include <cmath>

#include "kernels/reference/support.h"

namespace fovea::kernels::reference {

void softmax_forward(const Stream&, View y, CView x) {
    with_float(y.dtype, [&]<class T>(std::type_identity<T>) {
        const Index rows = rows_of(x), C = x.dim(-1);
        for (Index r = 0; r < rows; ++r) {
            const T* in = x.as<T>() + r * C;
            T* out = y.as<T>() + r * C;
            const double shift = exponent_shift(in, C);
            double sum = 0.0;
            for (Index i = 0; i < C; ++i) sum += std::exp(static_cast<double>(in[i]) - shift);
            for (Index i = 0; i < C; ++i) {
                const double e = std::exp(static_cast<double>(in[i]) - shift);
                out[i] = static_cast<T>(sum == 0.0 ? 0.0 : e / sum);  // 0: the row is -inf only
            }
        }
    });
}

void softmax_backward(const Stream&, View dx, CView dy, CView y) {
    with_float(dx.dtype, [&]<class T>(std::type_identity<T>) {
        const Index rows = rows_of(y), C = y.dim(-1);
        for (Index r = 0; r < rows; ++r) {
            const T *grad = dy.as<T>() + r * C, *p = y.as<T>() + r * C;
            T* out = dx.as<T>() + r * C;
            double dot = 0.0;
            for (Index i = 0; i < C; ++i)
                dot += static_cast<double>(grad[i]) * static_cast<double>(p[i]);
            for (Index i = 0; i < C; ++i)
                out[i] = static_cast<T>(static_cast<double>(p[i]) *
                                        (static_cast<double>(grad[i]) - dot));
        }
    });
}

void log_softmax_forward(const Stream&, View y, CView x) {
    with_float(y.dtype, [&]<class T>(std::type_identity<T>) {
        const Index rows = rows_of(x), C = x.dim(-1);
        for (Index r = 0; r < rows; ++r) {
            const T* in = x.as<T>() + r * C;
            T* out = y.as<T>() + r * C;
            const double shift = exponent_shift(in, C);
            double sum = 0.0;
            for (Index i = 0; i < C; ++i) sum += std::exp(static_cast<double>(in[i]) - shift);
            for (Index i = 0; i < C; ++i)
                out[i] = static_cast<T>(static_cast<double>(in[i]) - shift - std::log(sum));
        }
    });
}

void log_softmax_backward(const Stream&, View dx, CView dy, CView y) {
    with_float(dx.dtype, [&]<class T>(std::type_identity<T>) {
        const Index rows = rows_of(y), C = y.dim(-1);
        for (Index r = 0; r < rows; ++r) {
            const T *grad = dy.as<T>() + r * C, *log_p = y.as<T>() + r * C;
            T* out = dx.as<T>() + r * C;
            double sum = 0.0;
            for (Index i = 0; i < C; ++i) sum += static_cast<double>(grad[i]);
            for (Index i = 0; i < C; ++i)
                out[i] = static_cast<T>(static_cast<double>(grad[i]) -
                                        std::exp(static_cast<double>(log_p[i])) * sum);
        }
    });
}

}  // namespace fovea::kernels::reference
