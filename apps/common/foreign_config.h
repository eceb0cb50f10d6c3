// config.json for exported weights: what timm or Hugging Face need to build the network around them.
#pragma once

#include <string>
#include <vector>

#include "apps/common/recipe.h"
#include "models/classifier.h"

namespace fovea::apps {

/// For the weights that export_weights() writes in this style. "hf": transformers' configuration of the
/// model's class. "timm": an architecture that timm has, and the model_args that turn it into this one;
/// "safetensors", the own names, too where timm can build the model. Others: model_card(). Errors C04:
/// timm cannot build the model; Hugging Face cannot run it.
std::string foreign_config(const Classifier& model, const Config& config,
                           const std::vector<std::string>& class_names, const std::string& style);

/// What a reader of the exported weights should know beside them, or "".
std::string export_note(const Classifier& model, const std::string& style);

}  // namespace fovea::apps
