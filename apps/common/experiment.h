// Experiment: data, pictures' way into the model, and the model, as a config describes them. What
// training, evaluation and prediction share.
//
//     Experiment experiment = open_experiment(config);   // fills in what the config leaves to the data
//     std::unique_ptr<Classifier> model = experiment.new_model(config);
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "apps/common/device.h"
#include "apps/common/metrics.h"
#include "apps/common/metrics_files.h"
#include "apps/common/recipe.h"
#include "data/loader.h"
#include "data/registry.h"
#include "models/classifier.h"

namespace fovea::apps {

struct Experiment {
    std::shared_ptr<const Dataset> train, val, test;  ///< val is null without data.val_split
    std::vector<std::string> class_names;

    /// The data whose scores are logged while training: val if there is one, else test.
    const std::shared_ptr<const Dataset>& watched() const { return val ? val : test; }
};

/// Opens the data and replaces the config's zeros and empty lists (image size, channels, classes, mean,
/// std) by what the data says. Errors: those of open_dataset.
Experiment open_experiment(Config& config);

/// The model of a completed config, with random weights from its seed.
std::unique_ptr<Classifier> new_model(const Config& config);

/// How pictures are prepared; augmentation only with `training`.
Transform transform_of(const Config& config, bool training);

/// Sets the number of compute threads (0: one a core) and returns it.
std::int64_t use_threads(std::int64_t threads);

/// Scores of a model on a data set, in inference mode. Predictions go to `predictions` if given.
Metrics evaluate_model(const Classifier& model, const std::shared_ptr<const Dataset>& data,
                       const Config& config, PredictionsFile* predictions = nullptr);

/// Logits [B, classes] as plain floats.
std::vector<float> host_floats(const Tensor& t);

}  // namespace fovea::apps
