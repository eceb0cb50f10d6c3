# Script: writes the .cpp behind core/build_info.h. See Generated.cmake.
execute_process(COMMAND git -C "${SOURCE_DIR}" describe --always --dirty --tags
    OUTPUT_VARIABLE GIT OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
if(NOT GIT)
    set(GIT unknown)  # a source archive, or no commit yet
endif()
string(STRIP "${FLAGS}" FLAGS)
file(CONFIGURE OUTPUT "${OUT}" @ONLY CONTENT [[
#include "core/build_info.h"

namespace fovea {

const BuildInfo& build_info() {
    static constexpr BuildInfo info{R"(@VERSION@)", R"(@GIT@)", R"(@COMPILER@)", R"(@FLAGS@)",
                                    R"(@BUILD_TYPE@)"};
    return info;
}

}  // namespace fovea
]])
