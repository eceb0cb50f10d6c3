// Values of a recipe's keys: checks and conversions. Internal to the recipe's own files.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "apps/common/recipe.h"

namespace fovea::apps {

/// `value` in the key's own type and within its range. Errors C03 and C04 with `origin` as place.
Value checked(const KeySpec& spec, Value value, const std::string& origin);

/// Text of a command line as a value of the key's type, unchecked range. Error C03.
Value parse_value(const KeySpec& spec, std::string_view text, const std::string& origin);

/// Names of all keys, "optim.lr" and so on.
const std::vector<std::string>& key_names();

/// Error C02 with the nearest key, also one of the same last name in another table.
[[noreturn]] void throw_unknown_key(const std::string& key, const std::string& origin);

}  // namespace fovea::apps
