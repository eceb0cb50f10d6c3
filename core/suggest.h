// The name a person probably meant: nearest by edit distance.
//
//     suggest("optim.momentun", keys) == "optim.momentum"
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace fovea {

/// Levenshtein distance over bytes, where swapping two neighbours counts as one edit
/// (Damerau 1964, optimal string alignment).
int edit_distance(std::string_view a, std::string_view b);

/// The candidate nearest to `name`, the first of equals; "" when none is near (more than a third of
/// the longer name would have to change).
std::string suggest(std::string_view name, std::span<const std::string> candidates);

}  // namespace fovea
