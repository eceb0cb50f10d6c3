#include "models/registry.h"

#include <map>

#include "core/error.h"
#include "models/cvt.h"

namespace fovea {
namespace {

using Maker = std::unique_ptr<Classifier> (*)(const std::string&, const ModelOptions&);

std::unique_ptr<Classifier> make_cvt(const std::string& name, const ModelOptions& options) {
    CvtConfig config = *cvt_preset(name);
    if (options.num_classes > 0) config.num_classes = options.num_classes;
    if (options.in_channels > 0) config.in_channels = options.in_channels;
    if (options.height > 0) config.image_size[0] = options.height;
    if (options.width > 0) config.image_size[1] = options.width;
    config.dropout = options.dropout;
    if (options.drop_path >= 0.0) {
        // Microsoft's rule: only the last stage drops paths, rising inside it.
        for (CvtStageConfig& stage : config.stages) stage.drop_path = 0.0;
        config.stages.back().drop_path = options.drop_path;
    }
    return std::make_unique<Cvt>(config);
}

const std::map<std::string, Maker>& table() {
    static const std::map<std::string, Maker> models = {
        {"cvt13", make_cvt},       {"cvt21", make_cvt},  {"cvt_28", make_cvt},
        {"cvt_28_wide", make_cvt}, {"cvt_64", make_cvt}, {"cvt_tiny", make_cvt},
        {"cvt_w24", make_cvt},
    };
    return models;
}

}  // namespace

std::vector<std::string> model_names() {
    std::vector<std::string> names;
    for (const auto& [name, maker] : table()) names.push_back(name);
    return names;
}

std::unique_ptr<Classifier> make_model(const std::string& name, const ModelOptions& options) {
    const auto found = table().find(name);
    if (found == table().end()) {
        std::string known;
        for (const std::string& n : model_names()) known += (known.empty() ? "" : ", ") + n;
        throw Error("C20", "no such model: " + name, "--model", "one of " + known);
    }
    return found->second(name, options);
}

}  // namespace fovea
