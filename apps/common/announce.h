// What a training run says before its first step: device, data, model, steps, learning rates.
#pragma once

#include "apps/common/experiment.h"
#include "apps/common/progress.h"
#include "apps/common/run_folder.h"
#include "apps/common/training_state.h"

namespace fovea::apps {

/// The lines of a run that trains on `samples` images an epoch. Makes nothing.
void announce(const Config& config, const Experiment& experiment, std::int64_t samples,
              const TrainingState& state, Progress& progress);

/// plots/lr.*: the learning rate of every step to come.
void plot_rates(const RunFolder& run, const TrainingState& state, std::int64_t steps_per_epoch,
                Progress& progress);

}  // namespace fovea::apps
