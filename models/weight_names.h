// Tensor names of other implementations. One direction is written down, from a model's own names to
// theirs; export reads it forwards, import backwards over the names that the model has.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace fovea {

class Classifier;

/// Somebody's way to name the tensors of a model.
struct NameStyle {
    std::string name;  ///< "timm", "torchvision", "hf", "microsoft" or "study"
    /// Their names of the tensor with this own name. One; or three where they keep queries, keys and
    /// values apart, for the thirds of the packed tensor along its first axis.
    std::vector<std::string> (*spell)(const std::string& own);
    /// What else is different there, if the same weights do not give the same logits; else empty.
    std::string differs = {};
    /// Beginnings of names that some of their files spell otherwise: {usual, there}. A bare backbone, for
    /// instance, is saved without its name in front.
    std::vector<std::pair<std::string, std::string>> variants = {};
    /// Beginnings of names of tensors in their files that play no part in classification.
    std::vector<std::string> unused = {};
};

/// The model's own names as a style.
NameStyle own_style(const std::string& name, const std::string& differs = {});

/// The style of that name, or with "safetensors" the model's own names. Error C04 with those that there are.
NameStyle style_called(const Classifier& model, const std::string& name);

/// A tensor of a file: the tensor of the model that it is, or which of its `parts` equal slices.
struct OwnPart {
    std::string own;
    std::size_t part = 0, parts = 1;
};

/// All names that `model` has in a style.
std::map<std::string, OwnPart> names_in_style(Classifier& model, const NameStyle& style);

/// The same, and what else its tensors may be called in files by NameStyle::variants.
std::map<std::string, OwnPart> names_in_files(Classifier& model, const NameStyle& style);

/// Today's form of a name in an old file: without any "module.", "model." and "state_dict." in front, and
/// torchvision's mlp.linear_1 and mlp.linear_2 as mlp.0 and mlp.3.
std::string modern_name(std::string name);

/// Is this the name of a tensor that models compute themselves? Swin's index tables and masks are.
bool is_computed(const std::string& name);

/// The same in a file for a model: a table or mask of one of its own windowed blocks.
bool is_computed(const std::string& name, const std::map<std::string, OwnPart>& names_of_model);

/// Does a parameter belong to one of the model's head_names()?
bool is_head(const Classifier& model, const std::string& own);

}  // namespace fovea
