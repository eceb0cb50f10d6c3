# Script: writes the .cpp behind apps/common/embedded_recipes.h. See Generated.cmake.
file(STRINGS "${LIST}" recipes)
set(entries "")
foreach(recipe IN LISTS recipes)
    file(RELATIVE_PATH name "${RECIPES_DIR}" "${recipe}")
    string(REGEX REPLACE "\\.toml$" "" name "${name}")
    file(READ "${recipe}" text)
    string(APPEND entries "    {\"${name}\", R\"recipe(${text})recipe\"},\n")
endforeach()
file(WRITE "${OUT}" "#include \"apps/common/embedded_recipes.h\"

#include <vector>

namespace fovea::apps {

std::span<const EmbeddedRecipe> embedded_recipes() {
    static const std::vector<EmbeddedRecipe> recipes{
${entries}    };
    return recipes;
}

}  // namespace fovea::apps
")
