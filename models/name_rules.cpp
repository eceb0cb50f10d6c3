#include "models/name_rules.h"

#include <charconv>
#include <optional>

namespace fovea {
namespace {

constexpr std::string_view kNumber = "{n}";

/// What a place of the other name holds for a number; nothing if it is no place for one.
std::optional<long> number_for(std::string_view place, long n) {
    if (place == kNumber) return n;
    if (place == "{n-1}") return n - 1;
    if (place == "{2n}") return 2 * n;
    if (place == "{2n+1}") return 2 * n + 1;
    return std::nullopt;
}

/// What a pattern found at the beginning of a name: its numbers, and how much of the name it covers.
struct Match {
    std::vector<long> numbers;
    std::size_t length = 0;
};

std::optional<Match> match(std::string_view pattern, std::string_view name) {
    Match m;
    while (!pattern.empty()) {
        const std::string_view rest = name.substr(m.length);
        if (pattern.starts_with(kNumber)) {
            long number = 0;
            const auto [end, error] =
                std::from_chars(rest.data(), rest.data() + rest.size(), number);
            if (error != std::errc() || number < 0) return std::nullopt;
            m.numbers.push_back(number);
            m.length += static_cast<std::size_t>(end - rest.data());
            pattern.remove_prefix(kNumber.size());
        } else {
            if (rest.empty() || rest.front() != pattern.front()) return std::nullopt;
            ++m.length;
            pattern.remove_prefix(1);
        }
    }
    return m;
}

/// `pattern` with the numbers in their places, in each of its alternatives.
std::vector<std::string> fill(std::string_view pattern, const std::vector<long>& numbers) {
    std::vector<std::string> names = {""};
    const auto append = [&](std::string_view text) {
        for (std::string& name : names) name += text;
    };
    std::size_t used = 0;
    while (!pattern.empty()) {
        const std::size_t open = pattern.find('{');
        append(pattern.substr(0, open));
        if (open == std::string_view::npos) break;
        const std::size_t close = pattern.find('}', open);
        std::string_view inside = pattern.substr(open, close + 1 - open);
        pattern.remove_prefix(close + 1);
        if (inside.find(',') == std::string_view::npos) {
            append(std::to_string(number_for(inside, numbers.at(used++)).value()));
            continue;
        }
        inside = inside.substr(1, inside.size() - 2);
        std::vector<std::string> alternatives;
        for (std::size_t comma = 0; comma != std::string_view::npos;) {
            comma = inside.find(',');
            alternatives.push_back(names.front() + std::string(inside.substr(0, comma)));
            inside.remove_prefix(comma == std::string_view::npos ? inside.size() : comma + 1);
        }
        names = std::move(alternatives);
    }
    return names;
}

}  // namespace

std::vector<std::string> apply_rules(std::span<const NameRule> rules, const std::string& name) {
    for (const NameRule& rule : rules) {
        const auto m = match(rule.own, name);
        if (!m) continue;
        std::vector<std::string> names = fill(rule.theirs, m->numbers);
        for (std::string& n : names) n += name.substr(m->length);
        return names;
    }
    return {name};
}

}  // namespace fovea
