// Recipe: all settings of a training run, from one schema table (recipe_schema.cpp): the TOML reader,
// the flags, the help texts, the config.toml of a run and the config hash all come from that table.
//
//     Config config = resolve({.recipe = "cvt_28", .sets = {"optim.lr=2e-3"}, .flags = {}});
//     double lr = config.get<double>("optim.lr");
//     auto mean = config.get<std::vector<double>>("data.mean");
//     std::string text = config.to_toml();          // goes into the run folder, re-runnable
//     refuse_changes(saved, config);                // on --resume
//
// Precedence: defaults < base < file < --set < flags.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace fovea::apps {

/// What a key can hold; the type of a key is the type of its default.
using Value = std::variant<bool, std::int64_t, double, std::string, std::vector<double>>;

/// One key of a recipe.
struct KeySpec {
    const char* key;      ///< "table.key"
    Value default_value;  ///< also fixes the type
    const char* range;    ///< "(0, 10]" for numbers, "adamw|sgd" for texts, "" = anything
    const char* unit;     ///< "epochs", "images", "" = a plain number
    const char* doc;      ///< one line, lower case, no full stop
    bool alters_maths;    ///< part of the config hash; may not change on --resume
    const char* flag;     ///< "--lr" of the training apps, "" = only by file or --set
};

/// All keys, table by table, in the order in which they are written and shown.
std::span<const KeySpec> schema();

/// The spec of a key, or nullptr.
const KeySpec* find_key(std::string_view key);

/// "float", "integer", "true or false", "text", "list of numbers".
std::string type_name(const Value& value);

/// A value as TOML writes it: 0.001, 5, true, "adamw", [0.5, 0.5]. Numbers round-trip exactly.
std::string to_toml(const Value& value);

/// A value for every key, each with the place it came from.
class Config {
public:
    /// All defaults.
    Config();

    /// T: bool, int, std::int64_t, std::uint64_t, float, double, std::string, std::vector<double>,
    /// std::vector<float>; it must fit the key's type. A wrong key or type is our bug: Error B01.
    template <class T>
    T get(std::string_view key) const;

    /// The raw value; Error B01 for a key that is not in the schema.
    const Value& value(std::string_view key) const;

    /// "default", "cvt.toml:14", "--set" or the flag's name.
    const std::string& origin(std::string_view key) const;

    /// Checked assignment. An integer is taken for a float key. Errors, with `origin` as the place:
    /// C02 unknown key, C03 wrong type, C04 out of range.
    void set(std::string_view key, Value value, const std::string& origin);

    /// The same from a command line: "2e-3", "true", "0.5,0.5" or "[0.5, 0.5]".
    void set_text(std::string_view key, std::string_view text, const std::string& origin);

    /// Canonical TOML of all keys with a comment line each; resolve() of it gives the same Config.
    std::string to_toml() const;

    /// xxh64 over the keys that alter the maths, 16 hexadecimal digits.
    std::string hash() const;

private:
    std::vector<Value> values_;         // in schema order
    std::vector<std::string> origins_;  // in schema order
};

/// What a command line asks for.
struct RecipeRequest {
    std::string recipe;             ///< a file, or the name of an embedded recipe; "" = defaults
    std::vector<std::string> sets;  ///< "key=value"
    std::vector<std::pair<std::string, std::string>> flags;  ///< {"--lr", "2e-3"}
};

/// Reads, layers and checks. Errors: C02..C04 as above, C05 no such recipe, C06 not TOML, C07 a base
/// of a base, C09 keys that contradict each other.
Config resolve(const RecipeRequest& request);

/// Parses one recipe text over `config`; `name` is used in messages ("cvt.toml:14"). A `base` is
/// looked up beside `folder` or among the embedded recipes.
void apply_toml(Config& config, std::string_view text, const std::string& name,
                const std::filesystem::path& folder);

/// Keys that cannot go together (warm-up longer than the run, mean without std, ...): Error C09.
void check_consistent(const Config& config);

/// One key that differs between two configs, values as TOML.
struct ConfigChange {
    std::string key, before, after;
    bool alters_maths;
};

std::vector<ConfigChange> diff(const Config& before, const Config& after);

/// "optim.lr  0.001 -> 0.002", one line a change.
std::string format_changes(std::span<const ConfigChange> changes);

/// Error C08 with the list if `after` changes anything that alters the maths.
void refuse_changes(const Config& before, const Config& after);

}  // namespace fovea::apps
