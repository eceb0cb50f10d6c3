// Rules that turn one implementation's tensor names into another's.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace fovea {

/// A name that begins as `own` begins as `theirs` instead; what follows stays.
///
/// {n} in `own` stands for a number. In `theirs` the numbers return in their order, as {n}, {n-1}, {2n}
/// or {2n+1}. {a,b,c} there makes three names, with a, b and c in that place.
struct NameRule {
    std::string_view own, theirs;
};

/// The names by the first rule that fits; `name` alone if none does.
std::vector<std::string> apply_rules(std::span<const NameRule> rules, const std::string& name);

}  // namespace fovea
