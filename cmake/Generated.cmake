# The two generated sources: build information (core/build_info.h) and the recipes' text
# (apps/common/embedded_recipes.h).
set(generated "${PROJECT_BINARY_DIR}/generated")

# Looked at on every build, because a commit changes no source; written only if it differs, so a
# commit costs one small compile and the links.
set(FOVEA_BUILD_INFO_CPP "${generated}/build_info.cpp")
string(TOUPPER "${CMAKE_BUILD_TYPE}" type)
add_custom_target(fovea_build_info_file
    BYPRODUCTS "${FOVEA_BUILD_INFO_CPP}"
    COMMAND "${CMAKE_COMMAND}" -D "SOURCE_DIR=${PROJECT_SOURCE_DIR}" -D "OUT=${FOVEA_BUILD_INFO_CPP}"
            -D "VERSION=${PROJECT_VERSION}" -D "BUILD_TYPE=${CMAKE_BUILD_TYPE}"
            -D "COMPILER=${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}"
            -D "FLAGS=${CMAKE_CXX_FLAGS} ${CMAKE_CXX_FLAGS_${type}}"
            -P "${PROJECT_SOURCE_DIR}/cmake/build_info.cmake"
    COMMENT "build information"
    VERBATIM)

set(FOVEA_RECIPES_CPP "${generated}/embedded_recipes.cpp")
file(GLOB_RECURSE recipes CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/share/recipes/*.toml")
# The list of names is a file, and a dependency, so that removing a recipe regenerates too.
list(JOIN recipes "\n" lines)
file(CONFIGURE OUTPUT "${generated}/recipes.txt" CONTENT "${lines}" @ONLY)
add_custom_command(
    OUTPUT "${FOVEA_RECIPES_CPP}"
    COMMAND "${CMAKE_COMMAND}" -D "RECIPES_DIR=${PROJECT_SOURCE_DIR}/share/recipes"
            -D "LIST=${generated}/recipes.txt" -D "OUT=${FOVEA_RECIPES_CPP}"
            -P "${PROJECT_SOURCE_DIR}/cmake/embed_recipes.cmake"
    DEPENDS ${recipes} "${generated}/recipes.txt" "${PROJECT_SOURCE_DIR}/cmake/embed_recipes.cmake"
    COMMENT "recipes"
    VERBATIM)
