// A finished run, opened for use: its config and its model with the final weights.
#pragma once

#include <memory>
#include <string>

#include "apps/common/experiment.h"
#include "apps/common/run_folder.h"

namespace fovea::apps {

struct TrainedRun {
    RunFolder run;
    Config config;
    std::unique_ptr<Classifier> model;
    std::vector<std::string> class_names;
};

/// Opens RUN/config.toml, config.json and model.safetensors. `threads` 0 takes as many as the training run
/// where the machine has them, so that the numbers come out the same. Errors: C13 no run folder; K18 no
/// weights there yet; those of load_weights.
TrainedRun open_trained_run(const std::string& folder, const std::string& device,
                            std::int64_t threads);

}  // namespace fovea::apps
