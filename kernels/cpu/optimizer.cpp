// Optimizer steps: every array of the arena is read and written once, in vectors, by all threads.
#include "kernels/include/optimizer.h"

#include <cmath>

#include "kernels/cpu/parallel.h"
#include "kernels/cpu/simd.h"

namespace fovea::kernels::cpu {
namespace {

/// f(segment, begin, end) on pieces of the segments that train. Threads share elements, not
/// segments, since one embedding may weigh as much as all the rest.
template <class F>
void for_each_trained(const Segments& segments, const F& f) {
    std::int64_t total = 0;
    for (std::int64_t s = 0; s < segments.count; ++s) total += segments.data[s].size;
    parallel_elements(total, 4, [&](std::int64_t begin, std::int64_t end) {
        std::int64_t start = 0;  // of the segment, among all segments' elements
        for (std::int64_t s = 0; s < segments.count && start < end; ++s) {
            const Segment& segment = segments.data[s];
            const std::int64_t from = std::max(begin - start, std::int64_t{0});
            const std::int64_t to = std::min(end - start, segment.size);
            if (from < to && !segment.frozen)
                f(segment, segment.offset + from, segment.offset + to);
            start += segment.size;
        }
    });
}

/// Elements that stay in the L1 cache between the loops over an optimizer's arrays.
constexpr std::int64_t kPiece = 1024;

float to_float(double x) { return static_cast<float>(x); }

}  // namespace

void adam_step(const Stream&, View p, View m, View v, View vmax, CView g, Segments segments,
               const AdamArgs& args) {
    const double step = static_cast<double>(args.step);
    const double correction1 = 1.0 - std::pow(args.beta1, step);
    const double correction2 = 1.0 - std::pow(args.beta2, step);
    const float b1 = to_float(args.beta1), b2 = to_float(args.beta2);
    const float a1 = to_float(1.0 - args.beta1), a2 = to_float(1.0 - args.beta2);
    const float eps = to_float(args.eps), grad_scale = to_float(args.grad_scale);
    const float second_scale = to_float(1.0 / std::sqrt(correction2));

    for_each_trained(segments, [&](const Segment& segment, std::int64_t begin, std::int64_t end) {
        const double lr = args.lr * segment.lr_scale;
        const float rate = to_float(lr / correction1);
        const float shrink = args.decoupled ? to_float(1.0 - lr * segment.weight_decay) : 1.0f;
        const float l2 = args.decoupled ? 0.0f : to_float(segment.weight_decay);
        float* const param = p.as<float>() + begin;
        float *const first = m.as<float>() + begin, *const second = v.as<float>() + begin;
        const float* const grad = g.as<float>() + begin;
        const std::int64_t n = end - begin;

        const auto gradient = [&](Vec raw, Vec w) { return grad_scale * raw + l2 * w; };
        const auto update = [&](Vec w, Vec mean, Vec square) {
            return shrink * w - rate * mean / (sqrt(square) * second_scale + eps);
        };
        for (std::int64_t i = 0; i < n; i += kPiece) {
            const std::int64_t len = std::min(kPiece, n - i);
            map(
                len, [&](Vec a, Vec raw, Vec w) { return b1 * a + a1 * gradient(raw, w); },
                first + i, first + i, grad + i, param + i);
            map(
                len,
                [&](Vec a, Vec raw, Vec w) {
                    const Vec u = gradient(raw, w);
                    return b2 * a + a2 * u * u;
                },
                second + i, second + i, grad + i, param + i);
            const float* square = second + i;
            if (args.amsgrad) {
                float* const largest = vmax.as<float>() + begin + i;
                map(
                    len, [](Vec a, Vec b) { return a > b ? a : b; }, largest, largest, square);
                square = largest;
            }
            map(len, update, param + i, param + i, first + i, square);
        }
    });
}

void sgd_step(const Stream&, View p, View momentum, CView g, Segments segments,
              const SgdArgs& args) {
    const float grad_scale = to_float(args.grad_scale), mu = to_float(args.momentum);
    const bool first = args.step == 1;
    const float keep = first ? 0.0f : mu, take = first ? 1.0f : to_float(1.0 - args.dampening);

    for_each_trained(segments, [&](const Segment& segment, std::int64_t begin, std::int64_t end) {
        const float rate = to_float(args.lr * segment.lr_scale);
        const float decay = to_float(segment.weight_decay);
        float* const param = p.as<float>() + begin;
        const float* const grad = g.as<float>() + begin;
        const std::int64_t n = end - begin;
        const auto gradient = [&](Vec raw, Vec w) { return grad_scale * raw + decay * w; };
        if (args.momentum == 0.0)
            return map(
                n, [&](Vec w, Vec raw) { return w - rate * gradient(raw, w); }, param, param, grad);

        float* const buffer = momentum.as<float>() + begin;
        for (std::int64_t i = 0; i < n; i += kPiece) {
            const std::int64_t len = std::min(kPiece, n - i);
            // The first step ignores what the buffer holds, be it NaN.
            map(
                len,
                [&](Vec old, Vec raw, Vec w) {
                    return (first ? Vec{} : keep * old) + take * gradient(raw, w);
                },
                buffer + i, buffer + i, grad + i, param + i);
            map(
                len,
                [&](Vec w, Vec velocity, Vec raw) {
                    return w - rate * (args.nesterov ? gradient(raw, w) + mu * velocity : velocity);
                },
                param + i, param + i, buffer + i, grad + i);
        }
    });
}

void rmsprop_step(const Stream&, View p, View square, View mean, View momentum, CView g,
                  Segments segments, const RmspropArgs& args) {
    const float keep = to_float(args.alpha), take = to_float(1.0 - args.alpha);
    const float eps = to_float(args.eps), mu = to_float(args.momentum);
    const float grad_scale = to_float(args.grad_scale);

    for_each_trained(segments, [&](const Segment& segment, std::int64_t begin, std::int64_t end) {
        const float rate = to_float(args.lr * segment.lr_scale);
        const float decay = to_float(segment.weight_decay);
        const auto gradient = [&](Vec raw, Vec w) { return grad_scale * raw + decay * w; };
        const auto direction = [&](Vec raw, Vec w, Vec s, Vec c) {
            return gradient(raw, w) / (sqrt(args.centered ? s - c * c : s) + eps);
        };
        for (std::int64_t i = begin; i < end; i += kPiece) {
            const std::int64_t len = std::min(kPiece, end - i);
            float* const param = p.as<float>() + i;
            float* const s = square.as<float>() + i;
            float* const c = args.centered ? mean.as<float>() + i : s;  // s: read, but not used
            const float* const grad = g.as<float>() + i;
            map(
                len,
                [&](Vec old, Vec raw, Vec w) {
                    const Vec u = gradient(raw, w);
                    return keep * old + take * u * u;
                },
                s, s, grad, param);
            if (args.centered)
                map(
                    len,
                    [&](Vec old, Vec raw, Vec w) { return keep * old + take * gradient(raw, w); },
                    c, c, grad, param);
            if (args.momentum == 0.0) {
                map(
                    len,
                    [&](Vec w, Vec raw, Vec var, Vec centre) {
                        return w - rate * direction(raw, w, var, centre);
                    },
                    param, param, grad, s, c);
                continue;
            }
            float* const buffer = momentum.as<float>() + i;
            map(
                len,
                [&](Vec old, Vec raw, Vec w, Vec var, Vec centre) {
                    return mu * old + direction(raw, w, var, centre);
                },
                buffer, buffer, grad, param, s, c);
            map(
                len, [&](Vec w, Vec velocity) { return w - rate * velocity; }, param, param,
                buffer);
        }
    });
}

void radam_step(const Stream&, View p, View m, View v, CView g, Segments segments,
                const RadamArgs& args) {
    const double step = static_cast<double>(args.step);
    const double rectification = args.rectification();
    const double correction1 = 1.0 - std::pow(args.beta1, step);
    const double adapted = rectification * std::sqrt(1.0 - std::pow(args.beta2, step));
    const float b1 = to_float(args.beta1), b2 = to_float(args.beta2);
    const float a1 = to_float(1.0 - args.beta1), a2 = to_float(1.0 - args.beta2);
    const float eps = to_float(args.eps), grad_scale = to_float(args.grad_scale);
    const bool rectified = rectification > 0.0;

    for_each_trained(segments, [&](const Segment& segment, std::int64_t begin, std::int64_t end) {
        const double lr = args.lr * segment.lr_scale / correction1;
        const float rate = to_float(rectified ? lr * adapted : lr);
        const float decay = to_float(segment.weight_decay);
        const auto gradient = [&](Vec raw, Vec w) { return grad_scale * raw + decay * w; };
        for (std::int64_t i = begin; i < end; i += kPiece) {
            const std::int64_t len = std::min(kPiece, end - i);
            float* const param = p.as<float>() + i;
            float *const first = m.as<float>() + i, *const second = v.as<float>() + i;
            const float* const grad = g.as<float>() + i;
            map(
                len, [&](Vec a, Vec raw, Vec w) { return b1 * a + a1 * gradient(raw, w); }, first,
                first, grad, param);
            map(
                len,
                [&](Vec a, Vec raw, Vec w) {
                    const Vec u = gradient(raw, w);
                    return b2 * a + a2 * u * u;
                },
                second, second, grad, param);
            map(
                len,
                [&](Vec w, Vec mean, Vec square) {
                    return w - rate * (rectified ? mean / (sqrt(square) + eps) : mean);
                },
                param, param, first, second);
        }
    });
}

void clip_values(const Stream&, View g, double limit) {
    const Vec top = splat(to_float(limit)), bottom = splat(to_float(-limit));
    parallel_elements(g.numel(), 1, [&](std::int64_t begin, std::int64_t end) {
        float* const values = g.as<float>() + begin;
        map(
            end - begin,
            [&](Vec x) {
                const Vec low = x < bottom ? bottom : x;
                return low > top ? top : low;
            },
            values, values);
    });
}

void ema_update(const Stream&, View e, CView p, double decay) {
    const float keep = to_float(decay), take = to_float(1.0 - decay);
    parallel_elements(e.numel(), 1, [&](std::int64_t begin, std::int64_t end) {
        float* const out = e.as<float>() + begin;
        map(
            end - begin, [&](Vec a, Vec b) { return keep * a + take * b; }, out, out,
            p.as<float>() + begin);
    });
}

}  // namespace fovea::kernels::cpu
