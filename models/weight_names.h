// Tensor names of other implementations. One direction is written down, from a model's own names to
// theirs; export reads it forwards, import backwards over the names that the model has.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "models/classifier.h"

namespace fovea {

/// Somebody's way to name the tensors of one family of models.
struct NameStyle {
    std::string name;  ///< "timm", "torchvision", "hf", "microsoft" or "study"
    /// Their names of the tensor with this own name. One; or three where they keep queries, keys and
    /// values apart, for the thirds of the packed tensor along its first axis.
    std::vector<std::string> (*spell)(const std::string& own);
};

/// The styles that exist for the family of `model`; the first is its own. Empty for networks that are
/// Fovea's alone.
///
///     Vit                       timm, torchvision, hf       (deit_* without distillation too)
///     Deit                      timm, hf
///     StudentVit, MyDeit        study
///     Swin                      timm, torchvision, hf, microsoft
///     Cvt                       microsoft, hf               (not the simplified ones; hf needs more
///                                                            than i blocks in stage i, from 0)
///     ResNet                    torchvision, timm (the same names), hf
///     AlexNet                   torchvision (alexnet), study (the 500px networks)
std::vector<NameStyle> name_styles(const Classifier& model);

/// The style of that name, or with "safetensors" the model's own names. Error C04 with those that there are.
NameStyle style_called(const Classifier& model, const std::string& name);

/// A tensor of a file: the tensor of the model that it is, or which of its `parts` equal slices.
struct OwnPart {
    std::string own;
    std::size_t part = 0, parts = 1;
};

/// All names that `model` has in a style.
std::map<std::string, OwnPart> names_in_style(Module& model, const NameStyle& style);

/// Today's form of a name in an old file: without "module." and "model." in front, and torchvision's
/// mlp.linear_1 and mlp.linear_2 as mlp.0 and mlp.3.
std::string modern_name(std::string name);

/// Does a parameter belong to a layer whose outputs are the classes?
bool is_head(const Classifier& model, const std::string& own);

}  // namespace fovea
