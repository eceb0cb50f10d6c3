#include "kernels/include/embed.h"

#include "kernels/reference/support.h"

namespace fovea::kernels::reference {

void embed_tokens_forward(const Stream&, View y, CView patches, CView prefix, CView position) {
    const Index B = y.dim(0), L = y.dim(1), C = y.dim(2), N = patches.dim(1), P = L - N;
    with_float(y.dtype, [&]<class T>(std::type_identity<T>) {
        for (Index b = 0; b < B; ++b)
            for (Index t = 0; t < L; ++t)
                for (Index c = 0; c < C; ++c) {
                    const T token = t < P ? prefix.as<T>()[t * C + c]
                                          : patches.as<T>()[(b * N + t - P) * C + c];
                    const T place = position ? position.as<T>()[t * C + c] : T{0};
                    y.as<T>()[(b * L + t) * C + c] = token + place;
                }
    });
}

void embed_tokens_backward(const Stream&, View dpatches, View dprefix, View dposition, CView dy,
                           std::int64_t prefix_tokens, GradMode patches_mode, GradMode prefix_mode,
                           GradMode position_mode) {
    const Index B = dy.dim(0), L = dy.dim(1), C = dy.dim(2), P = prefix_tokens, N = L - P;
    with_float(dy.dtype, [&]<class T>(std::type_identity<T>) {
        const T* grad = dy.as<T>();
        Buffer sum(L * C, 0.0);
        for (Index b = 0; b < B; ++b) add_scaled(sum.data(), grad + b * L * C, 1.0, L * C);
        if (wanted(dposition, position_mode))
            for (Index i = 0; i < L * C; ++i) store(dposition.as<T>()[i], sum[i], position_mode);
        if (wanted(dprefix, prefix_mode))
            for (Index i = 0; i < P * C; ++i) store(dprefix.as<T>()[i], sum[i], prefix_mode);
        if (wanted(dpatches, patches_mode))
            for (Index b = 0; b < B; ++b)
                for (Index i = 0; i < N * C; ++i)
                    store(dpatches.as<T>()[b * N * C + i],
                          static_cast<double>(grad[(b * L + P) * C + i]), patches_mode);
    });
}

}  // namespace fovea::kernels::reference
