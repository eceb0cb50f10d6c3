#include "kernels/include/reduce.h"

#include <cmath>

#include "kernels/reference/support.h"

namespace fovea::kernels::reference {

void reduce_sum(const Stream&, View y, CView x, double scale, GradMode mode) {
    if (!wanted(y, mode)) return;
    with_float(y.dtype, [&]<class T>(std::type_identity<T>) {
        // x walks through y with stride 0 along the summed axes.
        Shape into = contiguous_strides(y.shape);
        for (int axis = 0; axis < y.rank(); ++axis)
            if (y.dim(axis) == 1) into[axis] = 0;

        Buffer sum(y.numel(), 0.0);
        const T* in = x.as<T>();
        for_each_row<2>(x.shape, {into, x.strides}, [&](auto at, auto step, Index n) {
            double* row = sum.data() + at[0];
            for (Index i = 0; i < n; ++i)
                row[i * step[0]] += static_cast<double>(in[at[1] + i * step[1]]);
        });

        T* out = y.as<T>();
        for (Index i = 0; i < y.numel(); ++i) store(out[i], scale * sum[i], mode);
    });
}

void sum_of_squares(const Stream&, View out, CView x) {
    double sum = 0.0;
    with_float(x.dtype, [&]<class T>(std::type_identity<T>) {
        const T* in = x.as<T>();
        for (Index i = 0; i < x.numel(); ++i) {
            const auto value = static_cast<double>(in[i]);
            sum += value * value;
        }
    });
    *out.as<double>() = sum;
}

void count_nonfinite(const Stream&, View out, CView x) {
    std::int64_t count = 0;
    with_float(x.dtype, [&]<class T>(std::type_identity<T>) {
        const T* in = x.as<T>();
        for (Index i = 0; i < x.numel(); ++i) count += std::isfinite(in[i]) ? 0 : 1;
    });
    *out.as<std::int64_t>() = count;
}

}  // namespace fovea::kernels::reference
