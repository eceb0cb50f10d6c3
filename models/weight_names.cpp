#include "models/weight_names.h"

#include "core/error.h"
#include "models/classifier.h"

namespace fovea {

NameStyle own_style(const std::string& name, const std::string& differs) {
    return {name, [](const std::string& own) { return std::vector{own}; }, differs};
}

NameStyle style_called(const Classifier& model, const std::string& name) {
    std::string known;
    for (const NameStyle& style : model.name_styles()) {
        if (style.name == name) return style;
        known += style.name + ", ";
    }
    if (name == "safetensors") return own_style(name);
    throw Error("C04", "there are no " + name + " names for networks of this kind",
                "--format " + name,
                known.empty() ? "safetensors" : "one of " + known + "safetensors");
}

std::map<std::string, OwnPart> names_in_style(Classifier& model, const NameStyle& style) {
    std::map<std::string, OwnPart> names;
    const auto add = [&](const std::string& own) {
        const std::vector<std::string> theirs = style.spell(own);
        for (std::size_t i = 0; i < theirs.size(); ++i) names[theirs[i]] = {own, i, theirs.size()};
    };
    for (const NamedParameter& p : parameters_of(model)) add(p.name);
    for (const NamedBuffer& b : buffers_of(model)) add(b.name);
    return names;
}

std::map<std::string, OwnPart> names_in_files(Classifier& model, const NameStyle& style) {
    const std::map<std::string, OwnPart> usual = names_in_style(model, style);
    std::map<std::string, OwnPart> all = usual;
    for (const auto& [begin, there] : style.variants)
        for (const auto& [name, part] : usual)
            if (name.starts_with(begin)) all.emplace(there + name.substr(begin.size()), part);
    return all;
}

std::string modern_name(std::string name) {
    for (bool found = true; found;) {
        found = false;
        for (const std::string_view prefix : {"module.", "model.", "state_dict."}) {
            if (!name.starts_with(prefix)) continue;
            name.erase(0, prefix.size());
            found = true;
        }
    }
    if (!name.starts_with("encoder.layers.encoder_layer_")) return name;
    for (const auto& [old, now] :
         {std::pair<std::string_view, const char*>{".mlp.linear_1.", ".mlp.0."},
          {".mlp.linear_2.", ".mlp.3."}})
        if (const std::size_t at = name.find(old); at != std::string::npos)
            name.replace(at, old.size(), now);
    return name;
}

bool is_computed(const std::string& name) {
    return name.ends_with("relative_position_index") || name.ends_with("attn_mask");
}

bool is_computed(const std::string& name, const std::map<std::string, OwnPart>& names_of_model) {
    if (!is_computed(name)) return false;
    const std::string block = name.substr(0, name.rfind('.') + 1);
    for (auto it = names_of_model.lower_bound(block);
         it != names_of_model.end() && it->first.starts_with(block); ++it)
        if (it->first.ends_with("relative_position_bias_table")) return !block.empty();
    return false;
}

bool is_head(const Classifier& model, const std::string& own) {
    for (const std::string& head : model.head_names())
        if (own.starts_with(head + ".")) return true;
    return false;
}

}  // namespace fovea
