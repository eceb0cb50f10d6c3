// The recipes of share/recipes, compiled into the program, so that a binary works without its tree.
#pragma once

#include <span>
#include <string_view>

namespace fovea::apps {

struct EmbeddedRecipe {
    std::string_view name;  ///< path below share/recipes without ".toml"
    std::string_view text;  ///< the file
};

/// Sorted by name.
std::span<const EmbeddedRecipe> embedded_recipes();

}  // namespace fovea::apps
