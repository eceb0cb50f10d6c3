// Reading recipes: TOML, one base, then --set and flags on top.
#include <stdexcept>

// toml++ 3.3 asserts, and with NDEBUG assumes, that a table header's key begins well: "[[[" would
// abort the program, or worse. Its assertions become exceptions here; parse() turns them into errors.
static constexpr void check_toml(bool holds) {
    if (!holds) throw std::logic_error("damaged table header");
}
#undef NDEBUG
#define TOML_ASSERT(condition) check_toml(static_cast<bool>(condition))
#include <toml++/toml.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "apps/common/embedded_recipes.h"
#include "apps/common/recipe.h"
#include "apps/common/recipe_value.h"
#include "apps/common/suggest.h"
#include "core/error.h"

namespace fovea::apps {
namespace {

namespace fs = std::filesystem;

constexpr const char* kTomlAdvice = "key = value lines below a [table]; texts in \"quotes\"";

/// A recipe before parsing.
struct Source {
    std::string text;
    std::string name;  // for messages
    fs::path folder;   // where its base is looked for
};

std::string without_toml(const std::string& name) {
    return name.ends_with(".toml") ? name.substr(0, name.size() - 5) : name;
}

std::string read_text(const fs::path& file) {
    std::ifstream in(file, std::ios::binary);
    std::ostringstream text;
    text << in.rdbuf();
    if (!in)
        throw Error("C05", "cannot read the recipe " + file.string(), "--config", "ls -l on it");
    return text.str();
}

/// The file, or the embedded recipe of that name.
Source find_source(const std::string& recipe, const fs::path& folder, const std::string& origin) {
    const fs::path file = folder / recipe;  // an absolute `recipe` replaces the folder
    std::error_code error;
    if (fs::is_regular_file(file, error)) {
        return {read_text(file), file.filename().string(), file.parent_path()};
    }
    std::vector<std::string> names;
    for (const EmbeddedRecipe& embedded : embedded_recipes()) {
        if (embedded.name == without_toml(recipe))
            return {std::string(embedded.text), std::string(embedded.name) + ".toml", {}};
        names.emplace_back(embedded.name);
    }
    const std::string near = suggest(without_toml(recipe), names);
    std::string all;
    for (const std::string& name : names) all += (all.empty() ? "" : ", ") + name;
    throw Error("C05", "no such recipe: " + recipe, origin,
                near.empty() ? "a .toml file, or one of " + all : near);
}

toml::table parse(const Source& source) {
    try {
        return toml::parse(source.text, source.name);
    } catch (const toml::parse_error& e) {
        const std::string what(e.description());
        throw Error("C06", "this is no TOML: " + what,
                    source.name + ":" + std::to_string(e.source().begin.line), kTomlAdvice);
    } catch (const std::logic_error& e) {
        throw Error("C06", std::string("this is no TOML: ") + e.what(), source.name, kTomlAdvice);
    }
}

std::vector<std::string> table_names() {
    std::vector<std::string> names;
    for (const std::string& key : key_names()) {
        const std::string table = key.substr(0, key.find('.'));
        if (names.empty() || names.back() != table) names.push_back(table);
    }
    return names;
}

std::string node_name(const toml::node& node) {
    std::ostringstream name;
    name << node.type();
    return name.str();
}

/// A TOML node as a value; Error C03 for kinds that no key has.
Value to_value(const KeySpec& spec, const toml::node& node, const std::string& origin) {
    if (const auto* flag = node.as_boolean()) return flag->get();
    if (const auto* integer = node.as_integer()) return integer->get();
    if (const auto* number = node.as_floating_point()) return number->get();
    if (const auto* text = node.as_string()) return text->get();
    const toml::array* array = node.as_array();
    std::vector<double> list;
    bool numbers = array != nullptr;
    if (array != nullptr) {
        for (const toml::node& element : *array) {
            numbers = numbers && element.is_number();
            list.push_back(element.value<double>().value_or(0.0));
        }
    }
    if (numbers) return list;
    throw Error("C03",
                std::string(spec.key) + " is of type " + node_name(node) + ", must be " +
                    type_name(spec.default_value),
                origin, std::string(spec.key) + " = " + to_toml(spec.default_value));
}

void apply_table(Config& config, const std::string& table, const toml::table& content,
                 const std::string& name) {
    for (const auto& [key, node] : content) {
        const std::string full = table + "." + std::string(key.str());
        const std::string origin = name + ":" + std::to_string(key.source().begin.line);
        const KeySpec* spec = find_key(full);
        if (spec == nullptr) throw_unknown_key(full, origin);
        config.set(full, to_value(*spec, node, origin), origin);
    }
}

void apply_source(Config& config, const Source& source, bool is_base) {
    const toml::table root = parse(source);
    if (const toml::node* base = root.get("base")) {
        const std::string origin = source.name + ":" + std::to_string(base->source().begin.line);
        if (is_base)
            throw Error("C07", "a base has a base of its own", origin,
                        "one level: put the settings of both into one file");
        if (!base->is_string())
            throw Error("C03", "base is of type " + node_name(*base) + ", must be text", origin,
                        "base = \"other.toml\"");
        apply_source(config, find_source(base->as_string()->get(), source.folder, origin), true);
    }
    const std::vector<std::string> tables = table_names();
    for (const auto& [key, node] : root) {
        const std::string name(key.str());
        if (name == "base") continue;
        const std::string origin = source.name + ":" + std::to_string(key.source().begin.line);
        const toml::table* content = node.as_table();
        const bool known = std::find(tables.begin(), tables.end(), name) != tables.end();
        if (known && content != nullptr) {
            apply_table(config, name, *content, source.name);
            continue;
        }
        if (content == nullptr) {
            std::vector<std::string> near_names{"base"};
            if (suggest(name, near_names).empty()) throw_unknown_key(name, origin);
            throw Error("C02", "unknown key " + name, origin, "base");
        }
        const std::string near = suggest(name, tables);
        throw Error("C02", "unknown table [" + name + "]", origin,
                    near.empty() ? "--help-all lists all keys" : "[" + near + "]");
    }
}

}  // namespace

void apply_toml(Config& config, std::string_view text, const std::string& name,
                const fs::path& folder) {
    apply_source(config, {std::string(text), name, folder}, false);
}

void check_consistent(const Config& config) {
    const auto warmup = config.get<double>("schedule.warmup");
    const auto epochs = config.get<int>("train.epochs");
    if (warmup > 0 && warmup >= epochs) {
        throw Error("C09",
                    "schedule.warmup (" + to_toml(Value(warmup)) +
                        " epochs) is not shorter than train.epochs (" + std::to_string(epochs) +
                        ")",
                    config.origin("train.epochs") + ", " + config.origin("schedule.warmup"),
                    "--warmup " + to_toml(Value(0.1 * epochs)));
    }
    const auto lr = config.get<double>("optim.lr");
    for (const char* key : {"schedule.min_lr", "schedule.warmup_lr"}) {
        if (config.get<double>(key) <= lr) continue;
        throw Error("C09",
                    std::string(key) + " (" + to_toml(config.value(key)) + ") is above optim.lr (" +
                        to_toml(Value(lr)) + ")",
                    config.origin(key) + ", " + config.origin("optim.lr"),
                    std::string("--set ") + key + "=" + to_toml(Value(0.01 * lr)));
    }
    const auto mean = config.get<std::vector<double>>("data.mean").size();
    const auto deviation = config.get<std::vector<double>>("data.std").size();
    if (mean != deviation) {
        throw Error("C09",
                    "data.mean has " + std::to_string(mean) + " numbers, data.std has " +
                        std::to_string(deviation),
                    config.origin("data.mean") + ", " + config.origin("data.std"),
                    "one number a channel in both, or [] in both");
    }
}

Config resolve(const RecipeRequest& request) {
    Config config;
    if (!request.recipe.empty())
        apply_source(config, find_source(request.recipe, {}, "--config"), false);
    for (const std::string& assignment : request.sets) {
        const auto equals = assignment.find('=');
        if (equals == std::string::npos)
            throw Error("C03", "--set takes key=value, not \"" + assignment + "\"", "--set",
                        "--set optim.lr=1e-3");
        const std::size_t end = assignment.find_last_not_of(" \t", equals - 1);
        config.set_text(assignment.substr(0, equals == 0 ? 0 : end + 1),
                        assignment.substr(equals + 1), "--set");
    }
    for (const auto& [flag, text] : request.flags) {
        for (const KeySpec& spec : schema())
            if (flag == spec.flag) config.set_text(spec.key, text, flag);
    }
    check_consistent(config);
    return config;
}

}  // namespace fovea::apps
