#include "kernels/include/dropout.h"

#include "kernels/reference/support.h"

namespace fovea::kernels::reference {

void dropout(const Stream&, View y, CView x, double p, const RandomSite& site) {
    with_float(y.dtype, [&]<class T>(std::type_identity<T>) {
        for (Index i = 0; i < y.numel(); ++i) {
            const bool keep = static_cast<double>(site.unit(static_cast<std::uint64_t>(i))) >= p;
            y.as<T>()[i] =
                keep ? static_cast<T>(static_cast<double>(x.as<T>()[i]) / (1.0 - p)) : T{0};
        }
    });
}

void drop_path(const Stream&, View y, CView x, CView residual, double p, const RandomSite& site) {
    if (y.numel() == 0) return;
    with_float(y.dtype, [&]<class T>(std::type_identity<T>) {
        const Index B = y.dim(0), size = y.numel() / B;
        for (Index b = 0; b < B; ++b) {
            const bool keep = static_cast<double>(site.unit(static_cast<std::uint64_t>(b))) >= p;
            for (Index i = b * size; i < (b + 1) * size; ++i) {
                const double branch = keep ? static_cast<double>(x.as<T>()[i]) / (1.0 - p) : 0.0;
                const double base = residual ? static_cast<double>(residual.as<T>()[i]) : 0.0;
                y.as<T>()[i] = static_cast<T>(base + branch);
            }
        }
    });
}

}  // namespace fovea::kernels::reference
