// One function for each kind of golden file. Each returns false or throws Unsupported if it does not
// support all of what the file asks for; otherwise it has compared everything in the file.
#pragma once

#include "tests/parity/golden.h"

namespace fovea::parity {

/// Any of them, by the file's op; false also for what throws Unsupported.
bool check_file(const Json& file, const Target& target, Checker& check);

bool check_model(const Json& file, const Target& target, Checker& check);
bool check_training(const Json& file, const Target& target, Checker& check);
bool check_parameter_counts(const Json& file, Checker& check);
bool check_key_maps(const Json& file, const Target& target, Checker& check);
bool check_layer(const Json& file, const Target& target, Checker& check);
bool check_loss(const Json& file, const Target& target, Checker& check);
bool check_optimizer(const Json& file, const Target& target, Checker& check);
bool check_schedules(const Json& file, Checker& check);

}  // namespace fovea::parity
