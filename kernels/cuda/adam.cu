// Adam, AdamW and AMSGrad over the arena (arena.cuh):
//   p *= 1 - lr wd;  m = b1 m + (1-b1) g;  v = b2 v + (1-b2) g^2;
//   p -= lr / (1-b1^t) m / (sqrt(v) / sqrt(1-b2^t) + eps)
// in float, from F32 arrays. Reads p, m, v, g (and vmax), writes p, m, v (and vmax): 28 bytes a
// parameter, 36 with AMSGrad.
#include <cmath>

#include "kernels/cuda/arena.cuh"

namespace fovea::kernels::cuda {
namespace {

struct Adam {
    float *p, *m, *v, *vmax;
    BFloat16* low;  // or nullptr
    const float* g;
    double lr, corrected_lr;              // lr / (1-b1^t)
    float b1, a1, b2, a2;                 // a = 1 - b
    float eps, grad_scale, second_scale;  // 1 / sqrt(1-b2^t)
    bool decoupled, amsgrad;

    struct Rates {
        float rate, shrink, l2;
    };

    __device__ Rates rates(const Segment& segment) const {
        const double decay = lr * segment.lr_scale * segment.weight_decay;
        return {static_cast<float>(corrected_lr * segment.lr_scale),
                decoupled ? static_cast<float>(1.0 - decay) : 1.0F,
                decoupled ? 0.0F : static_cast<float>(segment.weight_decay)};
    }

    __device__ void operator()(const Four& four, const Rates& r) const {
        float w[4], first[4], second[4], grad[4], largest[4];
        four.read(w, p);
        four.read(first, m);
        four.read(second, v);
        four.read(grad, g);
        if (amsgrad) four.read(largest, vmax);
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            const float u = grad_scale * grad[e] + r.l2 * w[e];
            first[e] = b1 * first[e] + a1 * u;
            second[e] = b2 * second[e] + a2 * u * u;
            float square = second[e];
            if (amsgrad) square = largest[e] = largest[e] > square ? largest[e] : square;
            w[e] = r.shrink * w[e] - r.rate * first[e] / (sqrtf(square) * second_scale + eps);
        }
        four.write(p, w);
        four.write_low(low, w);
        four.write(m, first);
        four.write(v, second);
        if (amsgrad) four.write(vmax, largest);
    }
};

}  // namespace

void adam_step(const Stream& stream, View p, View m, View v, View vmax, CView g, Segments segments,
               const AdamArgs& args) {
    const double t = static_cast<double>(args.step);
    const double correction1 = 1.0 - std::pow(args.beta1, t);
    const double correction2 = 1.0 - std::pow(args.beta2, t);
    const auto as_float = [](double x) { return static_cast<float>(x); };
    const Adam step{p.as<float>(),
                    m.as<float>(),
                    v.as<float>(),
                    vmax.as<float>(),
                    args.low.as<BFloat16>(),
                    g.as<float>(),
                    args.lr,
                    args.lr / correction1,
                    as_float(args.beta1),
                    as_float(1.0 - args.beta1),
                    as_float(args.beta2),
                    as_float(1.0 - args.beta2),
                    as_float(args.eps),
                    as_float(args.grad_scale),
                    as_float(1.0 / std::sqrt(correction2)),
                    args.decoupled,
                    args.amsgrad};
    const bool aligned = aligned16(p.data) && aligned16(m.data) && aligned16(v.data) &&
                         aligned16(g.data) && aligned16(vmax.data) && aligned16(args.low.data);
    walk_arena(stream, p.numel(), segments, aligned, step);
}

}  // namespace fovea::kernels::cuda
