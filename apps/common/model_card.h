// config.json: the description of a model beside model.safetensors.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "apps/common/recipe.h"

namespace fovea::apps {

/// JSON in timm's form, with Fovea's name as architecture: num_classes, label_names, model_args,
/// pretrained_cfg with input size, mean and std. foreign_config() turns it into one that timm reads.
std::string model_card(const Config& config, const std::vector<std::string>& class_names);

/// Most classes that a card may promise, so that a small file cannot ask for a lot of memory.
inline constexpr std::uint64_t kMaxClasses = 1'000'000;

/// The label names in the text of a config.json; "class 0", "class 1", ... where it has none. `name` goes
/// into the error. Error K19: not JSON, or without a sensible num_classes.
std::vector<std::string> class_names_in_card(std::string_view text, const std::string& name);

/// The same for a file. Error K19 also if it cannot be read.
std::vector<std::string> class_names_of_card(const std::filesystem::path& file);

}  // namespace fovea::apps
