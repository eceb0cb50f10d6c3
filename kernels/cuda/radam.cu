// RAdam over the arena (arena.cuh): m and v as in Adam; with the rectification r > 0
// p -= lr r m / (1-b1^t) sqrt(1-b2^t) / (sqrt(v) + eps), else p -= lr m / (1-b1^t); weight decay is
// added to g. Reads p, m, v, g, writes p, m, v: 28 bytes a parameter.
#include <cmath>

#include "kernels/cuda/arena.cuh"

namespace fovea::kernels::cuda {
namespace {

struct Radam {
    float *p, *m, *v;
    BFloat16* low;  // or nullptr
    const float* g;
    double lr;             // with all factors of the step
    float b1, a1, b2, a2;  // a = 1 - b
    float eps, grad_scale;
    bool rectified;

    struct Rates {
        float rate, decay;
    };

    __device__ Rates rates(const Segment& segment) const {
        return {static_cast<float>(lr * segment.lr_scale),
                static_cast<float>(segment.weight_decay)};
    }

    __device__ void operator()(const Four& four, const Rates& r) const {
        float w[4], first[4], second[4], grad[4];
        four.read(w, p);
        four.read(first, m);
        four.read(second, v);
        four.read(grad, g);
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            const float u = grad_scale * grad[e] + r.decay * w[e];
            first[e] = b1 * first[e] + a1 * u;
            second[e] = b2 * second[e] + a2 * u * u;
            const float direction = rectified ? first[e] / (sqrtf(second[e]) + eps) : first[e];
            w[e] -= r.rate * direction;
        }
        four.write(p, w);
        four.write_low(low, w);
        four.write(m, first);
        four.write(v, second);
    }
};

}  // namespace

void radam_step(const Stream& stream, View p, View m, View v, CView g, Segments segments,
                const RadamArgs& args) {
    const double t = static_cast<double>(args.step), rectification = args.rectification();
    const bool rectified = rectification > 0.0;
    const double factor =
        rectified ? rectification * std::sqrt(1.0 - std::pow(args.beta2, t)) : 1.0;
    const auto as_float = [](double x) { return static_cast<float>(x); };
    const Radam step{p.as<float>(),
                     m.as<float>(),
                     v.as<float>(),
                     args.low.as<BFloat16>(),
                     g.as<float>(),
                     args.lr * factor / (1.0 - std::pow(args.beta1, t)),
                     as_float(args.beta1),
                     as_float(1.0 - args.beta1),
                     as_float(args.beta2),
                     as_float(1.0 - args.beta2),
                     as_float(args.eps),
                     as_float(args.grad_scale),
                     rectified};
    const bool aligned = aligned16(p.data) && aligned16(m.data) && aligned16(v.data) &&
                         aligned16(g.data) && aligned16(args.low.data);
    walk_arena(stream, p.numel(), segments, aligned, step);
}

}  // namespace fovea::kernels::cuda
