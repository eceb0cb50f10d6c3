// ResNet's tensor names, which are torchvision's and timm's, at Hugging Face.
#include "models/name_rules.h"
#include "models/resnet.h"

namespace fovea {
namespace {

// ResNetForImageClassification.
constexpr NameRule kHf[] = {
    {"conv1.", "resnet.embedder.embedder.convolution."},
    {"bn1.", "resnet.embedder.embedder.normalization."},
    {"layer{n}.{n}.conv{n}.", "resnet.encoder.stages.{n-1}.layers.{n}.layer.{n-1}.convolution."},
    {"layer{n}.{n}.bn{n}.", "resnet.encoder.stages.{n-1}.layers.{n}.layer.{n-1}.normalization."},
    {"layer{n}.{n}.downsample.0.", "resnet.encoder.stages.{n-1}.layers.{n}.shortcut.convolution."},
    {"layer{n}.{n}.downsample.1.",
     "resnet.encoder.stages.{n-1}.layers.{n}.shortcut.normalization."},
    {"fc.", "classifier.1."},
};

std::vector<std::string> hf(const std::string& own) { return apply_rules(kHf, own); }

}  // namespace

std::vector<NameStyle> ResNet::name_styles() const {
    if (config_.stem == ResNetStem::Small) return {};  // known to nobody else
    return {own_style("torchvision"), own_style("timm"), {"hf", hf, {}, {{"resnet.", ""}}}};
}

}  // namespace fovea
