// Registry: the one table of model names.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "models/classifier.h"

namespace fovea {

/// What every model takes; a 0 keeps the preset's own value.
struct ModelOptions {
    std::int64_t num_classes = 0, in_channels = 0;
    std::int64_t height = 0, width = 0;
    double dropout = 0.0;
    double drop_path = -1.0;  ///< rate of the last block; negative keeps the preset's
};

/// All names, sorted.
std::vector<std::string> model_names();

/// A model with its parameters allocated (zeros) on the CPU. Error C20: no such model, with the
/// nearest names.
std::unique_ptr<Classifier> make_model(const std::string& name, const ModelOptions& options);

}  // namespace fovea
