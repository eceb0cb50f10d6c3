// Optimizer steps over the flat parameter arena: one launch for all parameters.
#pragma once

#include <cmath>

#include "kernels/include/kernel.h"

namespace fovea {

/// One parameter's slice of the arena; slices ascend, are 64-byte aligned, and gaps
/// between them belong to no segment.
struct Segment {
    std::int64_t offset = 0;  ///< in elements
    std::int64_t size = 0;
    double lr_scale = 1.0;
    double weight_decay = 0.0;
    bool frozen = false;
};

/// Table in the device's memory (host memory for reference and cpu).
struct Segments {
    const Segment* data = nullptr;
    std::int64_t count = 0;
};

/// Scalars of one step. `grad_scale` multiplies the gradient first (clipping). `low`, where it is not
/// empty, is a BF16 arena that receives the new parameters rounded, in the same pass (mixed precision; on
/// CUDA only).
struct AdamArgs {
    double lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
    double grad_scale = 1.0;
    std::int64_t step = 1;  ///< counts from 1
    bool decoupled = true;  ///< true: AdamW's decay; false: L2 added to the gradient
    bool amsgrad = false;
    View low = {};
};

struct SgdArgs {
    double lr = 1e-2, momentum = 0.0, dampening = 0.0;
    double grad_scale = 1.0;
    std::int64_t step =
        1;  ///< counts from 1; the first step sets the momentum buffer to the gradient
    bool nesterov = false;
    View low = {};
};

struct RmspropArgs {
    double lr = 1e-2, alpha = 0.99, eps = 1e-8, momentum = 0.0;
    double grad_scale = 1.0;
    bool centered = false;
    View low = {};
};

struct RadamArgs {
    double lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
    double grad_scale = 1.0;
    std::int64_t step = 1;  ///< counts from 1
    View low = {};

    /// The variance rectification r of this step; 0 while too few gradients have been seen (PyTorch's
    /// threshold, rho <= 5; the paper has 4), when the step is a plain one with momentum.
    double rectification() const {
        const double t = static_cast<double>(step), power = std::pow(beta2, t);
        const double limit = 2.0 / (1.0 - beta2) - 1.0;
        const double rho = limit - 2.0 * t * power / (1.0 - power);
        if (rho <= 5.0) return 0.0;
        return std::sqrt((rho - 4.0) * (rho - 2.0) * limit / ((limit - 4.0) * (limit - 2.0) * rho));
    }
};

namespace kernels {

/// AdamW (Loshchilov and Hutter 2019) or Adam (Kingma and Ba 2015) in PyTorch's order of operations:
/// p *= 1 - lr wd; m = b1 m + (1-b1) g; v = b2 v + (1-b2) g^2;
/// p -= lr / (1-b1^t) * m / (sqrt(v) / sqrt(1-b2^t) + eps). vmax is used with amsgrad, else empty.
KERNEL(adam_step, View p, View m, View v, View vmax, CView g, Segments segments,
       const AdamArgs& args);

/// Stochastic gradient descent with momentum; weight decay is added to the gradient. `momentum` may be
/// empty when args.momentum is 0.
KERNEL(sgd_step, View p, View momentum, CView g, Segments segments, const SgdArgs& args);

/// RMSprop (Hinton 2012) in PyTorch's order of operations; weight decay is added to the gradient:
/// s = a s + (1-a) g^2; centered: c = a c + (1-a) g; d = g / (sqrt(s - c^2) + eps);
/// with momentum b = mu b + d and p -= lr b, else p -= lr d. `mean` (c) and `momentum` (b) may be empty
/// when they are not used.
KERNEL(rmsprop_step, View p, View square, View mean, View momentum, CView g, Segments segments,
       const RmspropArgs& args);

/// RAdam (Liu et al. 2020) in PyTorch's order of operations; weight decay is added to the gradient. m
/// and v as in Adam; with r = args.rectification() > 0
/// p -= lr r m / (1-b1^t) sqrt(1-b2^t) / (sqrt(v) + eps), else p -= lr m / (1-b1^t).
KERNEL(radam_step, View p, View m, View v, CView g, Segments segments, const RadamArgs& args);

/// g = min(max(g, -limit), limit), for the whole arena. NaN stays NaN.
KERNEL(clip_values, View g, double limit);

/// e = decay e + (1 - decay) p.
KERNEL(ema_update, View e, CView p, double decay);

}  // namespace kernels
}  // namespace fovea
