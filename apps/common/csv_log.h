// The two logs of a run. Columns that depend only on the recipe come first, wall-clock and memory
// columns last: the first 11 columns of log.csv and all of steps.csv are the same in every repeat.
//
//     TrainingLog log(run);                         // appends; writes the header in a new file
//     log.step({.step = 1, .epoch = 1, .loss = 2.3, .lr = 1e-6, .grad_norm = 1.2});
//     log.epoch({.epoch = 1, .train_loss = 2.1, .eval_top1 = 33.2, ...});
//     log.sync();                                   // before a checkpoint says "step n is done"
//     TrainingLog::cut_back(run, step, epoch);      // on --resume, before opening
#pragma once

#include <cmath>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "apps/common/run_folder.h"

namespace fovea {
class AppendFile;
}

namespace fovea::apps {

/// A row of steps.csv.
struct StepRow {
    std::int64_t step = 0;   ///< optimizer steps done, from 1
    std::int64_t epoch = 0;  ///< the epoch it belongs to, from 1
    double loss = NAN, lr = NAN, grad_norm = NAN;
};

/// A row of log.csv; NAN = not measured (an empty cell). Accuracies, F1, precision in percent.
struct EpochRow {
    std::int64_t epoch = 0;  ///< epochs done, from 1
    double train_loss = NAN, eval_loss = NAN, eval_top1 = NAN, eval_top5 = NAN, lr = NAN;
    double train_top1 = NAN, eval_f1_macro = NAN, eval_precision_macro = NAN;
    std::int64_t nonfinite = 0, skipped_images = 0;
    double epoch_s = NAN, img_s = NAN;
    std::int64_t mem_mib = 0;
};

/// Column names of the two files, in order.
const std::vector<std::string>& epoch_columns();
const std::vector<std::string>& step_columns();

/// How many of epoch_columns() are the same in every repeat of a run.
inline constexpr int kRepeatableEpochColumns = 11;

class TrainingLog {
public:
    /// Opens both files for appending. Error F.. if that fails; Error F04 if an existing file has
    /// other columns.
    explicit TrainingLog(const RunFolder& run);
    ~TrainingLog();

    void step(const StepRow& row);    ///< Error F.. if it cannot be written
    void epoch(const EpochRow& row);  ///< Error F.. if it cannot be written
    void sync();                      ///< makes all rows durable

    /// Drops the rows after `step` and after `epoch`, and any unfinished last line.
    static void cut_back(const RunFolder& run, std::int64_t step, std::int64_t epoch);

private:
    std::unique_ptr<AppendFile> epochs_, steps_;
};

/// Keeps the rows of a CSV file up to the first whose first column is > last; no file is no error.
void cut_back_csv(const std::filesystem::path& file, std::int64_t last);

}  // namespace fovea::apps
