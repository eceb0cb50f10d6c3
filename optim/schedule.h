// Learning-rate schedules: pure functions of the step (or epoch); only the plateau rule has a state.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

namespace fovea {

/// Linear warm-up to `lr`, then half a cosine down to `min_lr` (Loshchilov and Hutter 2017), per step.
struct CosineSchedule {
    double lr = 1e-3, min_lr = 0.0, warmup_lr = 0.0;
    std::int64_t total_steps = 1, warmup_steps = 0;

    /// Rate of step 0, 1, ...: warm-up counts from warmup_lr at step 0; the cosine runs over the steps
    /// after the warm-up and ends at min_lr; min_lr from total_steps on.
    double at(std::int64_t step) const;
};

/// timm's warm-up: a straight line from `start` at step 0, which would reach `lr` at step `steps`.
struct Warmup {
    double steps = 0.0;
    double start = 0.0;
    /// true: the schedule begins after the warm-up; false: the warm-up covers its first steps.
    bool prefix = false;

    bool covers(std::int64_t step) const { return static_cast<double>(step) < steps; }
    /// The schedule's own time at a step after the warm-up.
    double after(std::int64_t step) const {
        return static_cast<double>(step) - (prefix ? steps : 0.0);
    }
    double at(std::int64_t step, double lr) const {
        return start + static_cast<double>(step) * (lr - start) / steps;
    }
};

/// timm's cosine with restarts (SGDR, Loshchilov and Hutter 2017): cycle i lasts cycle_mul^i t_initial
/// steps and falls from cycle_decay^i lr to min_lr; min_lr after cycle_limit cycles.
struct CosineCycles {
    double lr = 0.1, min_lr = 0.0;
    double t_initial = 1.0;  ///< steps of the first cycle
    double cycle_mul = 1.0, cycle_decay = 1.0;
    std::int64_t cycle_limit = 1;
    Warmup warmup;

    double at(std::int64_t step) const;
};

/// lr rate^floor(step / every), after timm's warm-up. Without warm-up PyTorch's StepLR.
struct StepDecay {
    double lr = 0.1, rate = 0.1;
    double every = 30.0;  ///< steps; timm allows fractions
    Warmup warmup;

    double at(std::int64_t step) const;
};

/// lr rate^(number of milestones reached), PyTorch's MultiStepLR. A milestone listed twice counts twice.
struct MilestoneDecay {
    double lr = 0.1, rate = 0.1;
    std::vector<std::int64_t> milestones;

    double at(std::int64_t step) const;
};

/// PyTorch's CosineAnnealingLR in closed form: a whole cosine of period 2 half_period, so the rate rises
/// again after half_period steps.
struct CosineWave {
    double lr = 0.1, min_lr = 0.0;
    double half_period = 1.0;

    double at(std::int64_t step) const;
};

/// PyTorch's ReduceLROnPlateau: multiplies the rate by `factor` when the metric has not improved for more
/// than `patience` reports in a row.
struct Plateau {
    bool maximise = false;  ///< a larger metric is better
    double factor = 0.1;
    std::int64_t patience = 10;
    double threshold = 1e-4;
    bool relative = true;  ///< the threshold is a fraction of the best metric; else a difference
    std::int64_t cooldown = 0;  ///< reports after a reduction that do not count as bad
    double min_lr = 0.0;
    double min_change = 1e-8;  ///< smaller reductions are not made

    /// What a checkpoint must keep.
    struct State {
        double lr = 0.1;
        double best = std::numeric_limits<double>::quiet_NaN();  ///< NaN: no report yet
        std::int64_t bad_reports = 0, cooldown_left = 0;
    } state;

    /// Takes the metric of an epoch; returns the rate of the next.
    double report(double metric);

private:
    bool better(double metric) const;
};

}  // namespace fovea
