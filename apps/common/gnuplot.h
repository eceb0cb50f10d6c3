// Running gnuplot, and the pieces of script that all plots share.
#pragma once

#include <filesystem>
#include <string>

#include "apps/common/plots.h"

namespace fovea::apps {

/// A gnuplot string constant: cleaned as by clean_utf8(), on one line, single quotes doubled,
/// cut to `longest` code points with "…".
std::string gnuplot_text(const std::string& text, std::size_t longest = 200);

/// Writes folder/NAME.gp and runs it there: `body` (settings and one `plot` command) once for
/// NAME.svg and once for NAME.png. False after a warning if gnuplot is missing or failed.
bool run_gnuplot(const std::filesystem::path& folder, const std::string& name, int width,
                 int height, const std::string& body, const Warn& warn);

}  // namespace fovea::apps
