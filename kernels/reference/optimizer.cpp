#include "kernels/include/optimizer.h"

#include <algorithm>
#include <cmath>

#include "kernels/reference/support.h"

namespace fovea::kernels::reference {
namespace {

/// Calls f(segment, i) for every element i of every segment that trains.
template <class F>
void for_each_trained(const Segments& segments, F f) {
    for (Index s = 0; s < segments.count; ++s) {
        const Segment& segment = segments.data[s];
        if (segment.frozen) continue;
        for (Index i = segment.offset; i < segment.offset + segment.size; ++i) f(segment, i);
    }
}

}  // namespace

void adam_step(const Stream&, View p, View m, View v, View vmax, CView g, Segments segments,
               const AdamArgs& args) {
    const double correction1 = 1.0 - std::pow(args.beta1, static_cast<double>(args.step));
    const double correction2 = 1.0 - std::pow(args.beta2, static_cast<double>(args.step));
    with_float(p.dtype, [&]<class T>(std::type_identity<T>) {
        for_each_trained(segments, [&](const Segment& segment, Index i) {
            const double lr = args.lr * segment.lr_scale;
            auto parameter = static_cast<double>(p.as<T>()[i]);
            double grad = static_cast<double>(g.as<T>()[i]) * args.grad_scale;
            if (args.decoupled)
                parameter *= 1.0 - lr * segment.weight_decay;
            else
                grad += segment.weight_decay * parameter;

            const double first =
                args.beta1 * static_cast<double>(m.as<T>()[i]) + (1.0 - args.beta1) * grad;
            double second =
                args.beta2 * static_cast<double>(v.as<T>()[i]) + (1.0 - args.beta2) * grad * grad;
            m.as<T>()[i] = static_cast<T>(first);
            v.as<T>()[i] = static_cast<T>(second);
            if (args.amsgrad) {
                second = std::max(static_cast<double>(vmax.as<T>()[i]), second);
                vmax.as<T>()[i] = static_cast<T>(second);
            }
            const double denominator = std::sqrt(second) / std::sqrt(correction2) + args.eps;
            p.as<T>()[i] = static_cast<T>(parameter - lr / correction1 * first / denominator);
        });
    });
}

void sgd_step(const Stream&, View p, View momentum, CView g, Segments segments,
              const SgdArgs& args) {
    with_float(p.dtype, [&]<class T>(std::type_identity<T>) {
        for_each_trained(segments, [&](const Segment& segment, Index i) {
            const auto parameter = static_cast<double>(p.as<T>()[i]);
            double direction = static_cast<double>(g.as<T>()[i]) * args.grad_scale +
                               segment.weight_decay * parameter;
            if (args.momentum != 0.0) {
                T& buffer = momentum.as<T>()[i];
                const double velocity = args.step == 1
                                            ? direction
                                            : args.momentum * static_cast<double>(buffer) +
                                                  (1.0 - args.dampening) * direction;
                buffer = static_cast<T>(velocity);
                direction = args.nesterov ? direction + args.momentum * velocity : velocity;
            }
            p.as<T>()[i] = static_cast<T>(parameter - args.lr * segment.lr_scale * direction);
        });
    });
}

void rmsprop_step(const Stream&, View p, View square, View mean, View momentum, CView g,
                  Segments segments, const RmspropArgs& args) {
    with_float(p.dtype, [&]<class T>(std::type_identity<T>) {
        const auto average = [&](T& a, double x) {
            a = static_cast<T>(args.alpha * static_cast<double>(a) + (1.0 - args.alpha) * x);
            return static_cast<double>(a);
        };
        for_each_trained(segments, [&](const Segment& segment, Index i) {
            const auto parameter = static_cast<double>(p.as<T>()[i]);
            const double grad = static_cast<double>(g.as<T>()[i]) * args.grad_scale +
                                segment.weight_decay * parameter;
            double variance = average(square.as<T>()[i], grad * grad);
            if (args.centered) {
                const double centre = average(mean.as<T>()[i], grad);
                variance -= centre * centre;
            }
            double direction = grad / (std::sqrt(variance) + args.eps);
            if (args.momentum != 0.0) {
                T& buffer = momentum.as<T>()[i];
                direction += args.momentum * static_cast<double>(buffer);
                buffer = static_cast<T>(direction);
            }
            p.as<T>()[i] = static_cast<T>(parameter - args.lr * segment.lr_scale * direction);
        });
    });
}

void radam_step(const Stream&, View p, View m, View v, CView g, Segments segments,
                const RadamArgs& args) {
    const double correction1 = 1.0 - std::pow(args.beta1, static_cast<double>(args.step));
    const double correction2 = 1.0 - std::pow(args.beta2, static_cast<double>(args.step));
    const double rectification = args.rectification();
    with_float(p.dtype, [&]<class T>(std::type_identity<T>) {
        for_each_trained(segments, [&](const Segment& segment, Index i) {
            const auto parameter = static_cast<double>(p.as<T>()[i]);
            const double grad = static_cast<double>(g.as<T>()[i]) * args.grad_scale +
                                segment.weight_decay * parameter;
            const double first =
                args.beta1 * static_cast<double>(m.as<T>()[i]) + (1.0 - args.beta1) * grad;
            const double second =
                args.beta2 * static_cast<double>(v.as<T>()[i]) + (1.0 - args.beta2) * grad * grad;
            m.as<T>()[i] = static_cast<T>(first);
            v.as<T>()[i] = static_cast<T>(second);
            double direction = first / correction1;
            if (rectification > 0.0)
                direction *=
                    rectification * std::sqrt(correction2) / (std::sqrt(second) + args.eps);
            p.as<T>()[i] = static_cast<T>(parameter - args.lr * segment.lr_scale * direction);
        });
    });
}

void clip_values(const Stream&, View g, double limit) {
    with_float(g.dtype, [&]<class T>(std::type_identity<T>) {
        T* const values = g.as<T>();
        for (Index i = 0; i < g.numel(); ++i)
            values[i] = std::clamp(values[i], static_cast<T>(-limit), static_cast<T>(limit));
    });
}

void ema_update(const Stream&, View e, CView p, double decay) {
    with_float(e.dtype, [&]<class T>(std::type_identity<T>) {
        for (Index i = 0; i < e.numel(); ++i)
            e.as<T>()[i] = static_cast<T>(decay * static_cast<double>(e.as<T>()[i]) +
                                          (1.0 - decay) * static_cast<double>(p.as<T>()[i]));
    });
}

}  // namespace fovea::kernels::reference
