// Plots by gnuplot: plots/*.svg and *.png, with the .gp script and the .csv kept beside them so that
// anybody can restyle and redraw (`gnuplot loss.gp` in that folder).
//
//     plot_curves(run, warn);       // loss, acc, lr; at the end of epochs
//     plot_confusion(run, warn);    // from eval/confusion.csv
//     plot_schedule(run, lrs, steps_per_epoch, warn);   // lr.svg before training
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>

#include "apps/common/run_folder.h"

namespace fovea::apps {

/// Takes one line of text; a plot that fails never stops a run.
using Warn = std::function<void(const std::string&)>;

/// loss.svg, acc.svg and lr.svg (and .png) from log.csv and steps.csv. False (after a warning) when
/// gnuplot is missing or failed; true with nothing drawn when there is no row yet.
bool plot_curves(const RunFolder& run, const Warn& warn);

/// lr.svg of a whole planned run: lrs[i] is the rate of step i + 1.
bool plot_schedule(const RunFolder& run, std::span<const double> lrs, std::int64_t steps_per_epoch,
                   const Warn& warn);

/// confusion.svg (and .png) from eval/confusion.csv: each row in percent of its class.
bool plot_confusion(const RunFolder& run, const Warn& warn);

}  // namespace fovea::apps
