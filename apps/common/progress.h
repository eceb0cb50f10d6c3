// Progress: one line that is redrawn on a terminal; plain lines otherwise. Whatever stays on the
// screen also goes into train.log.
//
//     Progress progress({.quiet = flags->quiet, .log_file = run.train_log()});
//     progress.line("device   cpu, 2 threads");
//     progress.begin_epoch(epoch, epochs, steps_per_epoch);
//     progress.step({.step = i, .loss = loss, .mean_loss = mean, .top1 = top1, .lr = lr,
//                    .images = images_so_far, .data_share = waited / elapsed});
//     progress.end_epoch({.train_loss = ..., .eval_top1 = ..., .seconds = 55, .best = true});
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

namespace fovea {
class AppendFile;
}

namespace fovea::apps {

struct ProgressOptions {
    bool quiet = false;  ///< nothing on the screen; train.log is written all the same
    std::filesystem::path log_file = {};  ///< train.log, or "" for none
    std::FILE* out = stdout;
    int terminal = -1;                   ///< 1 yes, 0 no, -1 ask isatty(out)
    int colour = -1;                     ///< 1 yes, 0 no, -1 on a terminal without NO_COLOR
    int width = 0;                       ///< columns; 0 = ask the terminal
    std::function<double()> clock = {};  ///< seconds, for tests; a steady clock by default
};

/// Where an epoch stands, after `step` of its steps. Accuracies in percent.
struct StepStatus {
    std::int64_t step = 0;
    double loss = NAN;       ///< of this step
    double mean_loss = NAN;  ///< of the epoch so far
    double top1 = NAN;       ///< of the epoch so far
    double lr = NAN;
    std::int64_t images = 0;  ///< seen in this epoch since it (or a resume) began
    double data_share = NAN;  ///< 0..1: time that the step waited for data
};

struct EpochStatus {
    double train_loss = NAN, train_top1 = NAN;
    double eval_loss = NAN, eval_top1 = NAN, eval_top5 = NAN;
    double seconds = NAN;
    bool best = false;
};

class Progress {
public:
    explicit Progress(ProgressOptions options);
    ~Progress();
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;

    /// `epoch` counts from 1; `first_step` > 0 after a resume in mid-epoch.
    void begin_epoch(std::int64_t epoch, std::int64_t epochs, std::int64_t steps,
                     std::int64_t first_step = 0);
    void step(const StepStatus& status);  ///< draws at most ten times a second
    void end_epoch(const EpochStatus& status);
    void line(const std::string& text);     ///< a line that stays, on the screen and in train.log
    void warning(const std::string& text);  ///< the same with "warning " before it, to stderr

private:
    void draw(const std::string& bar_line);
    void clear();
    void keep(const std::string& text, std::FILE* screen);
    std::string bar_line(const StepStatus& status) const;
    std::string plain_line(const StepStatus& status) const;
    std::string timing(const StepStatus& status) const;

    ProgressOptions options_;
    bool terminal_, colour_;
    std::unique_ptr<AppendFile> log_;
    std::int64_t epoch_ = 0, epochs_ = 0, steps_ = 0, first_step_ = 0;
    double epoch_start_ = 0, last_draw_ = -1e9, last_plain_ = -1e9;
    int drawn_ = 0;  // columns of the line now on the screen
};

}  // namespace fovea::apps
