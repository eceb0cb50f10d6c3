#include "apps/common/model_card.h"

#include <fstream>
#include <nlohmann/json.hpp>

#include "core/error.h"

namespace fovea::apps {

std::string model_card(const Config& config, const std::vector<std::string>& class_names) {
    using Json = nlohmann::ordered_json;
    const auto side = config.get<std::int64_t>("data.image_size"),
               channels = config.get<std::int64_t>("data.in_channels");
    Json card;
    card["architecture"] = config.get<std::string>("model.name");
    card["num_classes"] = class_names.size();
    card["global_pool"] = "token";
    card["label_names"] = class_names;
    card["model_args"] = {{"in_chans", channels}, {"img_size", side}};
    card["pretrained_cfg"] = {{"tag", "fovea"},
                              {"input_size", {channels, side, side}},
                              {"fixed_input_size", false},
                              {"interpolation", "bilinear"},
                              {"crop_pct", 1.0},
                              {"crop_mode", "center"},
                              {"mean", config.get<std::vector<double>>("data.mean")},
                              {"std", config.get<std::vector<double>>("data.std")},
                              {"num_classes", class_names.size()},
                              {"classifier", "head"}};
    // Labels come from folder names, which need not be UTF-8.
    return card.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::vector<std::string> class_names_of_card(const std::filesystem::path& file) {
    std::ifstream in(file);
    const auto card = nlohmann::json::parse(in, nullptr, false);
    if (!card.is_object() || !card.contains("num_classes") ||
        !card["num_classes"].is_number_unsigned())
        throw Error("K19", "not a model description: " + file.string(), "",
                    "the run folder of a finished run");
    std::vector<std::string> names;
    const auto labels = card.find("label_names");
    for (std::size_t i = 0; i < card["num_classes"].get<std::size_t>(); ++i) {
        const bool named = labels != card.end() && labels->is_array() && i < labels->size() &&
                           (*labels)[i].is_string();
        names.push_back(named ? (*labels)[i].get<std::string>() : "class " + std::to_string(i));
    }
    return names;
}

}  // namespace fovea::apps
