// TrainingState: everything that changes while training, and its way into a checkpoint and back.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apps/common/recipe.h"
#include "core/serialize/checkpoint.h"
#include "models/classifier.h"
#include "optim/ema.h"
#include "optim/optimizer.h"
#include "optim/schedule.h"

namespace fovea::apps {

/// Sums over the epoch so far, kept in the checkpoint so that a resumed epoch logs the same row.
struct EpochSums {
    double loss = 0.0;  ///< summed over images
    std::int64_t hits = 0, images = 0;
};

struct TrainingState {
    std::unique_ptr<Classifier> model;
    std::unique_ptr<ParamStore> store;
    std::unique_ptr<Optimizer> optimizer;
    std::unique_ptr<Ema> ema;  ///< null without optim.ema
    CosineSchedule schedule;

    std::int64_t epochs_done = 0;
    std::int64_t batches_done = 0;  ///< in the current epoch
    EpochSums sums;
    double best_top1 = -1.0;  ///< on the validation images; unused without them

    std::int64_t steps() const { return optimizer->steps(); }
};

/// Builds all of it around `model` from a completed config. `steps_per_epoch` counts optimizer steps.
TrainingState new_training_state(const Config& config, std::int64_t steps_per_epoch,
                                 std::unique_ptr<Classifier> model);

/// A checkpoint of the state, and the tensors that it borrows from.
struct StateSnapshot {
    Checkpoint checkpoint;
    std::vector<Tensor> kept_alive;
};

StateSnapshot snapshot(const TrainingState& state, const Config& config,
                       const std::vector<std::string>& classes);

/// A run goes on in its own folder only as it began: Error C22 for another number of compute threads,
/// C08 for any other setting that alters the result.
void refuse_other_settings(const LoadedCheckpoint& from, const Config& config);

/// Puts a checkpoint back. Errors: K03 a wrong shape, K04 a missing tensor, K15 missing texts.
void restore(TrainingState& state, const Checkpoint& checkpoint, const std::string& path);

}  // namespace fovea::apps
