#include "apps/common/onnx_metadata.h"

#include <nlohmann/json.hpp>

namespace fovea::apps {

std::vector<std::pair<std::string, std::string>> onnx_metadata(const TrainedRun& trained) {
    using Json = nlohmann::json;
    const auto list = [](const auto& values) {
        // Labels come from folder names, which need not be UTF-8.
        return Json(values).dump(-1, ' ', false, Json::error_handler_t::replace);
    };
    const auto numbers = [&](const char* key) {
        return list(trained.config.get<std::vector<double>>(key));
    };
    const std::string side = std::to_string(trained.config.get<std::int64_t>("data.image_size"));
    return {
        {"model", trained.config.get<std::string>("model.name")},
        {"class_names", list(trained.class_names)},
        {"mean", numbers("data.mean")},
        {"std", numbers("data.std")},
        {"preprocessing", "pixel_values = (pixels / 255 - mean) / std, of pictures resized to " +
                              side + "x" + side + " (bilinear)"}};
}

}  // namespace fovea::apps
