// What this binary was built from: printed by --version and written into every run folder.
#pragma once

#include <string_view>

namespace fovea {

struct BuildInfo {
    std::string_view version;     ///< "0.1.0"
    std::string_view git;         ///< git describe; ends in "-dirty" if files were edited
    std::string_view compiler;    ///< "GNU 12.2.0"
    std::string_view flags;       ///< common flags; kernels/cpu adds its own
    std::string_view build_type;  ///< "Release" or "Debug"
};

const BuildInfo& build_info();

}  // namespace fovea
