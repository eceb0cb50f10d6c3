#include "optim/clip.h"

#include <cmath>

#include "core/error.h"

namespace fovea {

double gradient_norm(const ParamStore& store, double p) {
    if (!(p > 0.0))
        throw Error("C03", "the gradient norm's order must be positive",
                    "norm = " + std::to_string(p),
                    "2 for the Euclidean norm, inf for the largest entry");
    if (p == 2.0) return store.gradient_norm();
    // The gaps between the arena's segments are zero and add nothing.
    const std::vector<double> gradients = store.gradients().to_vector();
    double total = 0.0;
    if (std::isinf(p)) {
        for (const double g : gradients) {
            if (std::isnan(g)) return g;
            total = std::max(total, std::abs(g));
        }
        return total;
    }
    for (const double g : gradients) total += std::pow(std::abs(g), p);
    return std::pow(total, 1.0 / p);
}

void clip_gradient_values(const ParamStore& store, double limit) {
    const Tensor& gradients = store.gradients();
    gradients.bump_version();
    kernels::clip_values(gradients.stream(), gradients.view(), limit);
}

}  // namespace fovea
