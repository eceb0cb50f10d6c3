// Learning-rate schedules: pure functions of the step.
#pragma once

#include <cstdint>

namespace fovea {

/// Linear warm-up to `lr`, then half a cosine down to `min_lr` (Loshchilov and Hutter 2017), per step.
struct CosineSchedule {
    double lr = 1e-3, min_lr = 0.0, warmup_lr = 0.0;
    std::int64_t total_steps = 1, warmup_steps = 0;

    /// Rate of step 0, 1, ...: warm-up counts from warmup_lr at step 0; the cosine runs over the steps
    /// after the warm-up and ends at min_lr; min_lr from total_steps on.
    double at(std::int64_t step) const;
};

}  // namespace fovea
