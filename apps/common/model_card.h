// config.json: the description that timm reads beside model.safetensors.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "apps/common/recipe.h"

namespace fovea::apps {

/// JSON in timm's form: architecture, num_classes, label_names, model_args, pretrained_cfg with input
/// size, mean and std.
std::string model_card(const Config& config, const std::vector<std::string>& class_names);

/// The label names of a config.json; "class 0", "class 1", ... where it has none. Error K19: no such file,
/// or not JSON.
std::vector<std::string> class_names_of_card(const std::filesystem::path& file);

}  // namespace fovea::apps
