// Builds the model that a golden file's normalised description asks for, with the formula's values.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "models/classifier.h"
#include "tests/parity/golden.h"

namespace fovea::parity {

/// Null if the family is not supported.
std::unique_ptr<Classifier> build_model(const std::string& family, const Json& model);

/// Own names of a model's tensors, by the names that a golden file has for them. `description` is the
/// file's "model" object, whose "naming" says whose names they are.
using OwnNames = std::map<std::string, std::string>;
OwnNames own_names(Classifier& model, const Json& description);

/// Fills parameters and buffers by the formula on the target; checks that names, shapes and their
/// number are exactly the file's (where it lists them).
void fill_by_formula(Classifier& model, const Json& file, const Target& target, Checker& check);

}  // namespace fovea::parity
