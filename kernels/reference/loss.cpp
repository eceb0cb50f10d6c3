#include "kernels/include/loss.h"

#include <cmath>

#include "kernels/reference/support.h"

namespace fovea::kernels::reference {
namespace {

/// One row of cross-entropy against target(c), whose sum over the classes is `mass`. Writes the
/// gradient if dlogits is not null, and returns the loss.
template <class T, class Target>
double row_loss(T* dlogits, const T* logits, Index C, double mass, Target target) {
    const double shift = exponent_shift(logits, C);
    double sum = 0.0;
    for (Index c = 0; c < C; ++c) sum += std::exp(static_cast<double>(logits[c]) - shift);
    const double log_sum = std::log(sum);

    double loss = 0.0;
    for (Index c = 0; c < C; ++c) {
        const double log_p = static_cast<double>(logits[c]) - shift - log_sum, t = target(c);
        if (t != 0.0) loss -= t * log_p;  // a class of no weight may have logit -inf
        if (dlogits) dlogits[c] = static_cast<T>(std::exp(log_p) * mass - t);
    }
    return loss;
}

}  // namespace

void softmax_cross_entropy(const Stream&, View loss, View dlogits, CView logits, CView labels,
                           double smoothing) {
    with_float(logits.dtype, [&]<class T>(std::type_identity<T>) {
        const Index B = logits.dim(0), C = logits.dim(1);
        const double off = smoothing / static_cast<double>(C), on = 1.0 - smoothing + off;
        for (Index b = 0; b < B; ++b) {
            const std::int64_t label = labels.as<std::int64_t>()[b];
            T* gradient = dlogits ? dlogits.as<T>() + b * C : nullptr;
            loss.as<T>()[b] =
                static_cast<T>(row_loss(gradient, logits.as<T>() + b * C, C, 1.0,
                                        [&](Index c) { return c == label ? on : off; }));
        }
    });
}

void soft_target_cross_entropy(const Stream&, View loss, View dlogits, CView logits,
                               CView targets) {
    with_float(logits.dtype, [&]<class T>(std::type_identity<T>) {
        const Index B = logits.dim(0), C = logits.dim(1);
        for (Index b = 0; b < B; ++b) {
            const T* t = targets.as<T>() + b * C;
            double mass = 0.0;
            for (Index c = 0; c < C; ++c) mass += static_cast<double>(t[c]);
            T* gradient = dlogits ? dlogits.as<T>() + b * C : nullptr;
            loss.as<T>()[b] =
                static_cast<T>(row_loss(gradient, logits.as<T>() + b * C, C, mass,
                                        [&](Index c) { return static_cast<double>(t[c]); }));
        }
    });
}

}  // namespace fovea::kernels::reference
