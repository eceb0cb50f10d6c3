// The loss of a training step that a golden file asks for.
#pragma once

#include "core/ops/distillation.h"
#include "models/classifier.h"
#include "tests/parity/golden.h"

namespace fovea::parity {

/// kind, alpha, tau and smoothing of a distillation's args; Unsupported for a reduction but the mean.
ops::DistillationParams distillation_params(const Json& args);

struct TrainingLoss {
    Tensor logits;     ///< of the class head
    Tensor distilled;  ///< of the distillation head; undefined with a plain cross-entropy
    Tensor teacher;    ///< likewise
    Tensor loss;
};

/// `description` is {"op", "args"}: the mean "cross_entropy", or "distillation" of a DistilledClassifier
/// by a teacher whose logits are a tensor of the formula ({step} in its name is `step`).
TrainingLoss training_loss(const Classifier& model, const Tensor& images, const Tensor& labels,
                           const Json& description, const Target& target, const Pass& pass,
                           std::int64_t step = 0);

/// Throws Unsupported if training_loss() cannot compute it.
void require_loss(const Json& description);

}  // namespace fovea::parity
