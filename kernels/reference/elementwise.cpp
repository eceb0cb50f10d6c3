#include "kernels/include/elementwise.h"

#include "kernels/reference/activation.h"
#include "kernels/reference/small_float.h"
#include "kernels/reference/support.h"

namespace fovea::kernels::reference {
namespace {

template <class T>
constexpr bool is_small_float = std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>;

/// Floats become integers by truncation, anything that is not zero becomes true.
template <class To, class From>
To convert(From x) {
    if constexpr (is_small_float<From>)
        return convert<To>(static_cast<double>(x));
    else if constexpr (is_small_float<To>)
        return To(static_cast<double>(x));
    else if constexpr (std::is_same_v<To, bool>)
        return x != From{};
    else
        return static_cast<To>(x);
}

/// Calls f with the C++ type of any dtype.
template <class F>
void with_any(DType dtype, F f) {
    switch (dtype) {
        case DType::F32: return f(std::type_identity<float>{});
        case DType::F64: return f(std::type_identity<double>{});
        case DType::F16: return f(std::type_identity<Half>{});
        case DType::BF16: return f(std::type_identity<BFloat16>{});
        case DType::I64: return f(std::type_identity<std::int64_t>{});
        case DType::I32: return f(std::type_identity<std::int32_t>{});
        case DType::U8: return f(std::type_identity<std::uint8_t>{});
        case DType::Bool: return f(std::type_identity<bool>{});
    }
}

template <class T>
T combine(Binary op, T a, T b) {
    switch (op) {
        case Binary::Add: return a + b;
        case Binary::Sub: return a - b;
        case Binary::Mul: return a * b;
        case Binary::Div: return a / b;
    }
    return a;
}

}  // namespace

void fill(const Stream&, View y, double value) {
    with_any(y.dtype, [&]<class T>(std::type_identity<T>) {
        T* out = y.as<T>();
        const T element = convert<T>(value);
        for (Index i = 0; i < y.numel(); ++i) out[i] = element;
    });
}

void copy(const Stream&, View y, CView x) {
    with_any(y.dtype, [&]<class To>(std::type_identity<To>) {
        with_any(x.dtype, [&]<class From>(std::type_identity<From>) {
            To* out = y.as<To>();
            const From* in = x.as<From>();
            for_each_row<2>(y.shape, {y.strides, x.strides}, [&](auto at, auto step, Index n) {
                for (Index i = 0; i < n; ++i)
                    out[at[0] + i * step[0]] = convert<To>(in[at[1] + i * step[1]]);
            });
        });
    });
}

void unary_forward(const Stream&, View y, CView x, Unary f) {
    with_float(y.dtype, [&]<class T>(std::type_identity<T>) {
        T* out = y.as<T>();
        const T* in = x.as<T>();
        for (Index i = 0; i < y.numel(); ++i)
            out[i] = static_cast<T>(apply(f, static_cast<double>(in[i])));
    });
}

void unary_backward(const Stream&, View dx, CView dy, CView x, Unary f, GradMode mode) {
    if (!wanted(dx, mode)) return;
    with_float(dx.dtype, [&]<class T>(std::type_identity<T>) {
        T* out = dx.as<T>();
        const T *grad = dy.as<T>(), *in = x.as<T>();
        for (Index i = 0; i < dx.numel(); ++i)
            store(out[i], static_cast<double>(grad[i]) * slope(f, static_cast<double>(in[i])),
                  mode);
    });
}

void binary(const Stream&, View y, CView a, CView b, Binary op) {
    with_float(y.dtype, [&]<class T>(std::type_identity<T>) {
        T* out = y.as<T>();
        const T *left = a.as<T>(), *right = b.as<T>();
        for_each_row<3>(
            y.shape, {y.strides, a.strides, b.strides}, [&](auto at, auto step, Index n) {
                for (Index i = 0; i < n; ++i)
                    out[at[0] + i * step[0]] =
                        combine(op, left[at[1] + i * step[1]], right[at[2] + i * step[2]]);
            });
    });
}

void axpby(const Stream&, View y, CView x, double alpha, double beta) {
    with_float(y.dtype, [&]<class T>(std::type_identity<T>) {
        T* out = y.as<T>();
        const T* in = x.as<T>();
        for (Index i = 0; i < y.numel(); ++i) {
            const double old = beta == 0.0 ? 0.0 : beta * static_cast<double>(out[i]);
            out[i] = static_cast<T>(alpha * static_cast<double>(in[i]) + old);
        }
    });
}

}  // namespace fovea::kernels::reference
