#include "apps/common/recipe.h"

#include <xxhash.h>

#include <charconv>
#include <cstdio>

#include "apps/common/recipe_value.h"
#include "core/error.h"

namespace fovea::apps {
namespace {

std::size_t index_of(std::string_view key) {
    const KeySpec* spec = find_key(key);
    if (spec == nullptr) throw Error("B01", "no key " + std::string(key) + " in the recipe schema");
    return static_cast<std::size_t>(spec - schema().data());
}

std::string number_text(double x) {
    char buffer[32];
    const auto end = std::to_chars(buffer, buffer + sizeof buffer, x).ptr;  // shortest exact form
    std::string text(buffer, end);
    if (text.find_first_of(".en") == std::string::npos) text += ".0";  // TOML: a float, no integer
    return text;
}

std::string quoted(const std::string& text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') out += '\\';
        out += c;
    }
    return out + '"';
}

template <class T>
const T& typed(const Value& value, std::string_view key) {
    if (const T* content = std::get_if<T>(&value)) return *content;
    throw Error("B01", "key " + std::string(key) + " is " + type_name(value));
}

}  // namespace

std::string to_toml(const Value& value) {
    if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
    if (const auto* integer = std::get_if<std::int64_t>(&value)) return std::to_string(*integer);
    if (const auto* number = std::get_if<double>(&value)) return number_text(*number);
    if (const auto* text = std::get_if<std::string>(&value)) return quoted(*text);
    std::string list = "[";
    for (const double x : std::get<std::vector<double>>(value))
        list += (list.size() > 1 ? ", " : "") + number_text(x);
    return list + "]";
}

Config::Config() {
    for (const KeySpec& spec : schema()) {
        values_.push_back(spec.default_value);
        origins_.emplace_back("default");
    }
}

const Value& Config::value(std::string_view key) const { return values_[index_of(key)]; }

const std::string& Config::origin(std::string_view key) const { return origins_[index_of(key)]; }

template <>
bool Config::get<bool>(std::string_view key) const {
    return typed<bool>(value(key), key);
}
template <>
std::int64_t Config::get<std::int64_t>(std::string_view key) const {
    return typed<std::int64_t>(value(key), key);
}
template <>
int Config::get<int>(std::string_view key) const {
    return static_cast<int>(get<std::int64_t>(key));
}
template <>
std::uint64_t Config::get<std::uint64_t>(std::string_view key) const {
    return static_cast<std::uint64_t>(get<std::int64_t>(key));
}
template <>
double Config::get<double>(std::string_view key) const {
    return typed<double>(value(key), key);
}
template <>
float Config::get<float>(std::string_view key) const {
    return static_cast<float>(get<double>(key));
}
template <>
std::string Config::get<std::string>(std::string_view key) const {
    return typed<std::string>(value(key), key);
}
template <>
std::vector<double> Config::get<std::vector<double>>(std::string_view key) const {
    return typed<std::vector<double>>(value(key), key);
}
template <>
std::vector<float> Config::get<std::vector<float>>(std::string_view key) const {
    const auto& list = typed<std::vector<double>>(value(key), key);
    return {list.begin(), list.end()};
}

void Config::set(std::string_view key, Value value, const std::string& origin) {
    const KeySpec* spec = find_key(key);
    if (spec == nullptr) throw_unknown_key(std::string(key), origin);
    values_[index_of(key)] = checked(*spec, std::move(value), origin);
    origins_[index_of(key)] = origin;
}

void Config::set_text(std::string_view key, std::string_view text, const std::string& origin) {
    const KeySpec* spec = find_key(key);
    if (spec == nullptr) throw_unknown_key(std::string(key), origin);
    set(key, parse_value(*spec, text, origin), origin);
}

std::string Config::to_toml() const {
    std::string out = "# All settings of a run; start it again with --config and this file.\n";
    std::string table;
    for (const KeySpec& spec : schema()) {
        const std::string key = spec.key;
        const auto dot = key.find('.');
        if (key.substr(0, dot) != table) {
            table = key.substr(0, dot);
            out += "\n[" + table + "]\n";
        }
        std::string line = key.substr(dot + 1) + " = " + apps::to_toml(value(key));
        line.resize(std::max<std::size_t>(line.size(), 24), ' ');
        out += line + "  # " + spec.doc;
        if (spec.unit[0] != '\0') out += std::string(" (") + spec.unit + ")";
        out += '\n';
    }
    return out;
}

std::string Config::hash() const {
    std::string lines;
    for (const KeySpec& spec : schema()) {
        if (!spec.alters_maths) continue;
        lines += std::string(spec.key) + " = " + apps::to_toml(value(spec.key)) + "\n";
    }
    char digits[17];
    std::snprintf(digits, sizeof digits, "%016llx",
                  static_cast<unsigned long long>(XXH64(lines.data(), lines.size(), 0)));
    return digits;
}

std::vector<ConfigChange> diff(const Config& before, const Config& after) {
    std::vector<ConfigChange> changes;
    for (const KeySpec& spec : schema()) {
        const Value &a = before.value(spec.key), &b = after.value(spec.key);
        if (a != b) changes.push_back({spec.key, to_toml(a), to_toml(b), spec.alters_maths});
    }
    return changes;
}

std::string format_changes(std::span<const ConfigChange> changes) {
    std::string out;
    for (const ConfigChange& change : changes) {
        if (!out.empty()) out += '\n';
        out += change.key + "  " + change.before + " -> " + change.after;
    }
    return out;
}

void refuse_changes(const Config& before, const Config& after) {
    std::string list;
    for (const ConfigChange& change : diff(before, after)) {
        if (!change.alters_maths) continue;
        list += (list.empty() ? "" : "; ") + format_changes({&change, 1});
    }
    if (list.empty()) return;
    throw Error(
        "C08", "the recipe differs from the run's own: " + list, "--resume",
        "the same settings as before, or --fork to go on with the new ones in a new folder");
}

}  // namespace fovea::apps
