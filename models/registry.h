// Registry: the one table of model names.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "models/classifier.h"

namespace fovea {

enum class SwinRule : std::uint8_t;  // models/swin.h

/// What every model takes. An extent of 0 and a rate below 0 keep the preset's own.
struct ModelOptions {
    std::int64_t num_classes = 0, in_channels = 0;
    std::int64_t height = 0, width = 0;
    double dropout = -1.0;
    double drop_path = -1.0;               ///< of the last block
    std::optional<SwinRule> swin_padding;  ///< for Swins alone
    bool zero_init = false;                ///< for ResNets alone: ResNetConfig::zero_init_residual
};

/// An option, or the preset's `own` value where the option keeps it.
inline std::int64_t or_own(std::int64_t given, std::int64_t own) { return given > 0 ? given : own; }
inline double or_own(double given, double own) { return given >= 0.0 ? given : own; }

/// All names, sorted.
std::vector<std::string> model_names();

/// A model with its parameters allocated (zeros) on the CPU. Error C20: no such model, with the
/// nearest name. C04: an option that the model cannot have.
std::unique_ptr<Classifier> make_model(const std::string& name, const ModelOptions& options);

}  // namespace fovea
