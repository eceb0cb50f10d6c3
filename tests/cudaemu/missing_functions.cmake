# Script: writes a .cpp with an aborting definition of each of a library's functions (FUNCTIONS, a
# name a line) that SOURCES do not write.
file(STRINGS "${FUNCTIONS}" functions)
foreach(source IN LISTS SOURCES)
    file(READ "${source}" text)
    string(REGEX MATCHALL "[a-zA-Z0-9_]+\\(" written "${text}")
    list(TRANSFORM written REPLACE "\\(" "")
    list(REMOVE_ITEM functions ${written})
endforeach()

set(definitions "")
foreach(name IN LISTS functions)
    string(APPEND definitions "void ${name}() { missing(\"${name}\"); }\n")
endforeach()
file(WRITE "${OUT}" "#include <cstdio>
#include <cstdlib>

namespace {
[[noreturn]] void missing(const char* name) {
    std::fflush(stdout);
    std::fprintf(stderr, \"cudaemu: FATAL: %s is not implemented\\n\", name);
    std::abort();
}
}  // namespace

extern \"C\" {
${definitions}}
")
