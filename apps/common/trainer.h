// The training loop of every train_* program.
#pragma once

#include "apps/common/flags.h"

namespace fovea::apps {

/// Trains as the flags say, from the start or from a checkpoint, and leaves a complete run folder.
/// Returns the program's exit status: 0, or 128 + signal after an interruption that was saved.
/// Errors: C.. settings, D.. data, K.. checkpoints, N01 a loss or gradient that is not finite, F.. disk.
int train(Flags& flags);

}  // namespace fovea::apps
