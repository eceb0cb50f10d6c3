#include "optim/schedule.h"

#include <cmath>
#include <numbers>

namespace fovea {

double CosineSchedule::at(std::int64_t step) const {
    if (step < warmup_steps)
        return warmup_lr +
               (lr - warmup_lr) * static_cast<double>(step) / static_cast<double>(warmup_steps);
    if (step >= total_steps) return min_lr;
    const double progress =
        static_cast<double>(step - warmup_steps) / static_cast<double>(total_steps - warmup_steps);
    return min_lr + 0.5 * (lr - min_lr) * (1.0 + std::cos(std::numbers::pi * progress));
}

}  // namespace fovea
