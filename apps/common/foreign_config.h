// config.json for exported weights: what timm or Hugging Face need to build the network around them.
#pragma once

#include <string>

#include "apps/common/trained_run.h"

namespace fovea::apps {

/// For the weights that export_weights() writes in this style. "hf": transformers' configuration of the
/// model's class. Others: timm's form, for "timm" itself with an architecture that timm has and the
/// model_args that turn it into this one. Error C04 for a model that timm cannot build.
std::string foreign_config(const TrainedRun& trained, const std::string& style);

/// What a reader of the exported weights should know beside them, or "".
std::string export_note(const Classifier& model, const std::string& style);

}  // namespace fovea::apps
