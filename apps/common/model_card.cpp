#include "apps/common/model_card.h"

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/error.h"

namespace fovea::apps {

std::string model_card(const Config& config, const std::vector<std::string>& class_names) {
    using Json = nlohmann::ordered_json;
    const auto side = config.get<std::int64_t>("data.image_size"),
               channels = config.get<std::int64_t>("data.in_channels");
    const auto name = config.get<std::string>("model.name");
    Json card;
    card["architecture"] = name;
    card["num_classes"] = class_names.size();
    card["label_names"] = class_names;
    card["model_args"] = {{"in_chans", channels}, {"img_size", side}};
    card["pretrained_cfg"] = {
        {"tag", "fovea"},
        {"description", name + " of Fovea, in a form that timm does not read"},
        {"input_size", {channels, side, side}},
        {"interpolation", "bilinear"},
        {"crop_pct", 1.0},
        {"crop_mode", "center"},
        {"mean", config.get<std::vector<double>>("data.mean")},
        {"std", config.get<std::vector<double>>("data.std")},
        {"num_classes", class_names.size()}};
    // Labels come from folder names, which need not be UTF-8.
    return card.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::vector<std::string> class_names_in_card(std::string_view text, const std::string& name) {
    const auto card = nlohmann::json::parse(text, nullptr, false);
    const auto count = card.is_object() ? card.value("num_classes", nlohmann::json()) : nullptr;
    if (!count.is_number_unsigned() || count.get<std::uint64_t>() > kMaxClasses)
        throw Error("K19", "this is no model description", name,
                    "the run folder of a finished run");
    std::vector<std::string> names;
    const auto labels = card.find("label_names");
    for (std::size_t i = 0; i < count.get<std::size_t>(); ++i) {
        const bool named = labels != card.end() && labels->is_array() && i < labels->size() &&
                           (*labels)[i].is_string();
        names.push_back(named ? (*labels)[i].get<std::string>() : "class " + std::to_string(i));
    }
    return names;
}

std::vector<std::string> class_names_of_card(const std::filesystem::path& file) {
    std::ifstream in(file, std::ios::binary);
    std::ostringstream text;
    text << in.rdbuf();
    return class_names_in_card(text.str(), file.string());
}

}  // namespace fovea::apps
