// The end of a training run: weights for others, final scores, plots, report.
#pragma once

#include <string>
#include <vector>

#include "apps/common/experiment.h"
#include "apps/common/metrics.h"
#include "apps/common/progress.h"
#include "apps/common/report.h"
#include "apps/common/run_folder.h"
#include "optim/ema.h"
#include "optim/param_store.h"

namespace fovea::apps {

struct FinishedRun {
    const Config& config;
    const Experiment& experiment;
    const RunFolder& run;
    Classifier& model;
    Ema* ema;  ///< its averages are what counts, where there are any
    Progress& progress;
};

/// Writes model.safetensors and config.json, scores the test images, and writes eval/, plots/ and
/// report.html. With validation images the best checkpoint's weights are taken, else the last ones.
/// Returns the scores.
Metrics finish_run(const FinishedRun& finished);

/// Pictures for the report: the first ones of the data set, then wrongly classified ones.
std::vector<ReportSample> sample_predictions(const Classifier& model,
                                             const std::shared_ptr<const Dataset>& data,
                                             const Config& config);

/// After a loss or gradient that is not finite: writes the batch to nan_dump.safetensors and returns
/// the name of the first parameter gradient that is not finite ("" if all are).
std::string dump_nonfinite(const ParamStore& store, const Batch& batch, const RunFolder& run);

/// Removes temporaries that a killed process left in the run's folders.
void remove_leftovers(const RunFolder& run);

/// The command that goes on with a run, as a shell reads it: through ./fovea if that started us.
std::string resume_line(const std::vector<std::string>& command);

}  // namespace fovea::apps
