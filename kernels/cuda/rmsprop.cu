// RMSprop over the arena (arena.cuh): s = a s + (1-a) g^2; centered: c = a c + (1-a) g;
// d = g / (sqrt(s - c^2) + eps); with momentum b = mu b + d and p -= lr b, else p -= lr d; weight decay
// is added to g. Reads and writes p and the state in use, reads g: 20 to 36 bytes a parameter.
#include "kernels/cuda/arena.cuh"

namespace fovea::kernels::cuda {
namespace {

struct Rmsprop {
    float *p, *square, *mean, *momentum;
    BFloat16* low;  // or nullptr
    const float* g;
    double lr;
    float grad_scale, keep, take, eps, mu;
    bool centered, has_momentum;

    struct Rates {
        float rate, decay;
    };

    __device__ Rates rates(const Segment& segment) const {
        return {static_cast<float>(lr * segment.lr_scale),
                static_cast<float>(segment.weight_decay)};
    }

    __device__ void operator()(const Four& four, const Rates& r) const {
        float w[4], grad[4], s[4], c[4] = {}, buffer[4] = {};
        four.read(w, p);
        four.read(grad, g);
        four.read(s, square);
        if (centered) four.read(c, mean);
        if (has_momentum) four.read(buffer, momentum);
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            const float u = grad_scale * grad[e] + r.decay * w[e];
            s[e] = keep * s[e] + take * u * u;
            float variance = s[e];
            if (centered) {
                c[e] = keep * c[e] + take * u;
                variance -= c[e] * c[e];
            }
            float direction = u / (sqrtf(variance) + eps);
            if (has_momentum) direction = buffer[e] = mu * buffer[e] + direction;
            w[e] -= r.rate * direction;
        }
        four.write(p, w);
        four.write_low(low, w);
        four.write(square, s);
        if (centered) four.write(mean, c);
        if (has_momentum) four.write(momentum, buffer);
    }
};

}  // namespace

void rmsprop_step(const Stream& stream, View p, View square, View mean, View momentum, CView g,
                  Segments segments, const RmspropArgs& args) {
    const Rmsprop step{p.as<float>(),
                       square.as<float>(),
                       mean.as<float>(),
                       momentum.as<float>(),
                       args.low.as<BFloat16>(),
                       g.as<float>(),
                       args.lr,
                       static_cast<float>(args.grad_scale),
                       static_cast<float>(args.alpha),
                       static_cast<float>(1.0 - args.alpha),
                       static_cast<float>(args.eps),
                       static_cast<float>(args.momentum),
                       args.centered,
                       args.momentum != 0.0};
    const bool aligned = aligned16(p.data) && aligned16(square.data) && aligned16(mean.data) &&
                         aligned16(momentum.data) && aligned16(g.data) && aligned16(args.low.data);
    walk_arena(stream, p.numel(), segments, aligned, step);
}

}  // namespace fovea::kernels::cuda
