#include "optim/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace fovea {
namespace {

/// From `high` at progress 0 to `low` at progress 1.
double half_cosine(double high, double low, double progress) {
    return low + 0.5 * (high - low) * (1.0 + std::cos(std::numbers::pi * progress));
}

}  // namespace

double CosineSchedule::at(std::int64_t step) const {
    if (step < warmup_steps)
        return warmup_lr +
               (lr - warmup_lr) * static_cast<double>(step) / static_cast<double>(warmup_steps);
    if (step >= total_steps) return min_lr;
    return half_cosine(
        lr, min_lr,
        static_cast<double>(step - warmup_steps) / static_cast<double>(total_steps - warmup_steps));
}

double CosineCycles::at(std::int64_t step) const {
    if (warmup.covers(step)) return warmup.at(step, lr);
    const double t = warmup.after(step);
    double cycle = std::floor(t / t_initial);
    double length = t_initial, begin = cycle * t_initial;
    if (cycle_mul != 1.0) {
        // The cycles' lengths are a geometric series: cycle i begins at
        // (1 - cycle_mul^i) / (1 - cycle_mul) t_initial, which solved for i says where t is.
        cycle = std::floor(std::log(1.0 - t / t_initial * (1.0 - cycle_mul)) / std::log(cycle_mul));
        length = std::pow(cycle_mul, cycle) * t_initial;
        begin = (1.0 - std::pow(cycle_mul, cycle)) / (1.0 - cycle_mul) * t_initial;
    }
    // Shrinking cycles have an end, beyond which there is no cycle and the logarithm is NaN.
    if (!(cycle < static_cast<double>(cycle_limit))) return min_lr;
    return half_cosine(lr * std::pow(cycle_decay, cycle), min_lr, (t - begin) / length);
}

double StepDecay::at(std::int64_t step) const {
    if (warmup.covers(step)) return warmup.at(step, lr);
    return lr * std::pow(rate, std::floor(warmup.after(step) / every));
}

double MilestoneDecay::at(std::int64_t step) const {
    const auto reached = std::count_if(milestones.begin(), milestones.end(),
                                       [&](std::int64_t milestone) { return milestone <= step; });
    return lr * std::pow(rate, static_cast<double>(reached));
}

double CosineWave::at(std::int64_t step) const {
    return half_cosine(lr, min_lr, static_cast<double>(step) / half_period);
}

bool Plateau::better(double metric) const {
    if (std::isnan(state.best)) return !std::isnan(metric);
    if (maximise)
        return metric > (relative ? state.best * (1.0 + threshold) : state.best + threshold);
    return metric < (relative ? state.best * (1.0 - threshold) : state.best - threshold);
}

double Plateau::report(double metric) {
    if (better(metric)) {
        state.best = metric;
        state.bad_reports = 0;
    } else {
        ++state.bad_reports;
    }
    if (state.cooldown_left > 0) {
        --state.cooldown_left;
        state.bad_reports = 0;
    }
    if (state.bad_reports > patience) {
        const double reduced = std::max(state.lr * factor, min_lr);
        if (state.lr - reduced > min_change) state.lr = reduced;
        state.cooldown_left = cooldown;
        state.bad_reports = 0;
    }
    return state.lr;
}

}  // namespace fovea
