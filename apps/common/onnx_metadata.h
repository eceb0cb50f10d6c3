// What an ONNX file says about the run that it was made from.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "apps/common/trained_run.h"

namespace fovea::apps {

/// Names and values: model, class_names (a JSON list), mean and std (JSON lists, one number a channel), and
/// preprocessing, a sentence that says what pixel_values are.
std::vector<std::pair<std::string, std::string>> onnx_metadata(const TrainedRun& trained);

}  // namespace fovea::apps
