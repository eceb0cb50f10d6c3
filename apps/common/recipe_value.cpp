#include "apps/common/recipe_value.h"

#include <charconv>
#include <cmath>
#include <cstdlib>

#include "core/error.h"
#include "core/suggest.h"

namespace fovea::apps {
namespace {

/// An interval such as "(0, 10]".
struct Range {
    double low, high;
    bool open_low, open_high;

    bool holds(double x) const {
        return (open_low ? x > low : x >= low) && (open_high ? x < high : x <= high);
    }
};

Range parse_range(std::string_view text) {
    const std::string copy(text);
    char* comma = nullptr;
    const double low = std::strtod(copy.c_str() + 1, &comma);
    return {low, std::strtod(comma + 1, nullptr), copy.front() == '(', copy.back() == ')'};
}

std::vector<std::string> split(std::string_view text, char separator) {
    std::vector<std::string> parts(1);
    for (const char c : text) {
        if (c == separator) {
            parts.emplace_back();
        } else {
            parts.back() += c;
        }
    }
    return parts;
}

std::string stripped(std::string_view text) {
    const auto first = text.find_first_not_of(" \t");
    if (first == std::string_view::npos) return {};
    return std::string(text.substr(first, text.find_last_not_of(" \t") - first + 1));
}

std::string default_line(const KeySpec& spec) {
    return std::string(spec.key) + " = " + to_toml(spec.default_value) + "   (" + spec.doc + ")";
}

[[noreturn]] void throw_type(const KeySpec& spec, const std::string& is,
                             const std::string& origin) {
    throw Error("C03",
                std::string(spec.key) + " is " + is + ", must be " + type_name(spec.default_value),
                origin, default_line(spec));
}

void check_number(const KeySpec& spec, double x, const std::string& origin) {
    const Range range = parse_range(spec.range);
    if (std::isfinite(x) && range.holds(x)) return;
    throw Error("C04",
                std::string(spec.key) + " is " + to_toml(Value(x)) + ", must be in " + spec.range,
                origin, default_line(spec));
}

void check_text(const KeySpec& spec, const std::string& text, const std::string& origin) {
    for (const char c : text) {
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F)
            throw Error("C04", std::string(spec.key) + " holds a control character", origin,
                        default_line(spec));
    }
    if (spec.range[0] == '\0') return;
    const std::vector<std::string> choices = split(spec.range, '|');
    for (const std::string& choice : choices)
        if (text == choice) return;
    const std::string near = suggest(text, choices);
    throw Error("C04", std::string(spec.key) + " is \"" + text + "\", must be one of " + spec.range,
                origin,
                near.empty() ? default_line(spec) : std::string(spec.key) + " = \"" + near + "\"");
}

template <class T>
bool parse_whole(std::string_view text, T& number) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc{} && end == text.data() + text.size();
}

}  // namespace

std::string type_name(const Value& value) {
    constexpr const char* kNames[] = {"true or false", "an integer", "a number", "text",
                                      "a list of numbers"};
    return kNames[value.index()];
}

Value checked(const KeySpec& spec, Value value, const std::string& origin) {
    const bool widen = std::holds_alternative<double>(spec.default_value) &&
                       std::holds_alternative<std::int64_t>(value);
    if (widen) value = static_cast<double>(std::get<std::int64_t>(value));
    if (value.index() != spec.default_value.index()) {
        throw_type(spec, type_name(value) + " (" + to_toml(value) + ")", origin);
    }
    if (const auto* integer = std::get_if<std::int64_t>(&value))
        check_number(spec, static_cast<double>(*integer), origin);
    if (const auto* number = std::get_if<double>(&value)) check_number(spec, *number, origin);
    if (const auto* text = std::get_if<std::string>(&value)) check_text(spec, *text, origin);
    if (const auto* list = std::get_if<std::vector<double>>(&value))
        for (const double x : *list) check_number(spec, x, origin);
    return value;
}

Value parse_value(const KeySpec& spec, std::string_view text, const std::string& origin) {
    const std::string given = stripped(text);
    const std::string quoted = "\"" + given + "\"";
    switch (spec.default_value.index()) {
        case 0:
            if (given == "true") return true;
            if (given == "false") return false;
            throw_type(spec, quoted, origin);
        case 1: {
            std::int64_t integer = 0;
            if (!parse_whole(given, integer)) throw_type(spec, quoted, origin);
            return integer;
        }
        case 2: {
            double number = 0;
            if (!parse_whole(given, number)) throw_type(spec, quoted, origin);
            return number;
        }
        case 4: {
            std::string_view inner = given;
            if (inner.size() >= 2 && inner.front() == '[' && inner.back() == ']')
                inner = inner.substr(1, inner.size() - 2);
            std::vector<double> list;
            if (stripped(inner).empty()) return list;
            for (const std::string& part : split(inner, ',')) {
                double number = 0;
                if (!parse_whole(stripped(part), number)) throw_type(spec, quoted, origin);
                list.push_back(number);
            }
            return list;
        }
        default: return std::string(text);
    }
}

const std::vector<std::string>& key_names() {
    static const std::vector<std::string> names = [] {
        std::vector<std::string> all;
        for (const KeySpec& spec : schema()) all.emplace_back(spec.key);
        return all;
    }();
    return names;
}

void throw_unknown_key(const std::string& key, const std::string& origin) {
    const auto last_name = [](const std::string& name) { return name.substr(name.rfind('.') + 1); };
    std::string near = suggest(key, key_names());
    for (const std::string& known : key_names())
        if (last_name(known) == last_name(key)) near = known;
    throw Error("C02", "unknown key " + key, origin,
                near.empty() ? "--help-all lists all keys" : near);
}

}  // namespace fovea::apps
