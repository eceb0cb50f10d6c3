// Stochastic gradient descent over the arena (arena.cuh): with momentum b = mu b + (1-dampening) g,
// b = g at the first step; p -= lr b, or lr (g + mu b) with Nesterov's form; weight decay is added to g.
// Reads p, g and the momentum, if any; writes p and the momentum: 12 or 20 bytes a parameter.
#include "kernels/cuda/arena.cuh"

namespace fovea::kernels::cuda {
namespace {

struct Sgd {
    float *p, *momentum;
    BFloat16* low;  // or nullptr
    const float* g;
    double lr;
    float grad_scale, mu, take;
    bool has_momentum, first, nesterov;

    struct Rates {
        float rate, decay;
    };

    __device__ Rates rates(const Segment& segment) const {
        return {static_cast<float>(lr * segment.lr_scale),
                static_cast<float>(segment.weight_decay)};
    }

    __device__ void operator()(const Four& four, const Rates& r) const {
        float w[4], grad[4], buffer[4] = {};
        four.read(w, p);
        four.read(grad, g);
        // The first step ignores what the buffer holds, be it NaN.
        if (has_momentum && !first) four.read(buffer, momentum);
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            const float u = grad_scale * grad[e] + r.decay * w[e];
            float direction = u;
            if (has_momentum) {
                buffer[e] = first ? u : mu * buffer[e] + take * u;
                direction = nesterov ? u + mu * buffer[e] : buffer[e];
            }
            w[e] -= r.rate * direction;
        }
        four.write(p, w);
        four.write_low(low, w);
        if (has_momentum) four.write(momentum, buffer);
    }
};

}  // namespace

void sgd_step(const Stream& stream, View p, View momentum, CView g, Segments segments,
              const SgdArgs& args) {
    const Sgd step{p.as<float>(),
                   momentum.as<float>(),
                   args.low.as<BFloat16>(),
                   g.as<float>(),
                   args.lr,
                   static_cast<float>(args.grad_scale),
                   static_cast<float>(args.momentum),
                   static_cast<float>(1.0 - args.dampening),
                   args.momentum != 0.0,
                   args.step == 1,
                   args.nesterov};
    const bool aligned = aligned16(p.data) && aligned16(momentum.data) && aligned16(g.data) &&
                         aligned16(args.low.data);
    walk_arena(stream, p.numel(), segments, aligned, step);
}

}  // namespace fovea::kernels::cuda
