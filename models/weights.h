// Weights of a model as named tensors: out to safetensors files, in from ours and from others'.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/serialize/safetensors.h"
#include "models/classifier.h"

namespace fovea {

/// A tensor of a model's state in checkpoint layout, alive as long as `value`.
struct StateTensor {
    std::string name;
    Tensor value;  ///< dense, on the host

    NamedTensor named() const;
};

/// All parameters and buffers in visiting order, convolutions as [O,I,R,S].
std::vector<StateTensor> state_of(Module& model);

/// Puts `value` (checkpoint layout; any float dtype) into the parameter or buffer called `name`.
/// False if there is none of that name; Error K03 if the shapes differ, or for integers as a parameter.
bool set_state(Module& model, const std::string& name, const Tensor& value);

struct ImportOptions {
    /// Leave the layers whose outputs are the classes as they are, whatever the file has for them.
    bool reset_head = false;
};

/// What load_weights() found and did.
struct ImportSummary {
    std::string style;    ///< whose names: one of Classifier::name_styles(), or "fovea"
    std::string differs;  ///< NameStyle::differs of that style
    std::int64_t loaded = 0, total = 0;  ///< tensors of the model, without batch counters
    bool head_reset = false;
    std::int64_t file_classes = 0, classes = 0;  ///< of the reset head; 0 if the file has none
    bool channels_summed = false;     ///< RGB weights of the first convolution, for grey images
    std::int64_t resized = 0;         ///< position embeddings and bias tables of another image size
    std::vector<std::string> unused;  ///< tensors of the file that play no part in classification
};

/// "timm names, 150 of 152 tensors, head replaced (1000 -> 10)"
std::string to_string(const ImportSummary& summary);

/// Loads every tensor of the model from a safetensors file, whosever names it has (weight_names.h); the
/// prefixes "module.", "model." and "state_dict." are taken off. Separate queries, keys and values are joined. Position
/// embeddings and bias tables of another image size are resampled, and weights for RGB images are
/// summed over the channels for a model of grey ones. num_batches_tracked may be missing. On an error
/// the model is as before. Errors: those of safetensors.h; K03 wrong shapes, or integers as weights; K04 missing or unknown
/// tensors, listed briefly; N02 a tensor that is not finite.
ImportSummary load_weights(Classifier& model, const std::string& path,
                           const ImportOptions& options = {});

/// Writes the model's state. Errors: those of safetensors.h; N02.
void save_weights(Module& model, const std::string& path, const Metadata& metadata = {});

/// The same in another's names (weight_names.h), "safetensors" for the own ones. Error C04 with the styles
/// that there are, if the model's family does not have this one.
void export_weights(Classifier& model, const std::string& style, const std::string& path,
                    const Metadata& metadata = {});

}  // namespace fovea
