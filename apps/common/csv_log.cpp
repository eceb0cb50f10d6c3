#include "apps/common/csv_log.h"

#include <algorithm>
#include <charconv>
#include <fstream>

#include "apps/common/csv_table.h"
#include "core/error.h"
#include "core/serialize/atomic_file.h"

namespace fovea::apps {
namespace {

namespace fs = std::filesystem;

/// Opens a log whose header is there and right, or is written now.
std::unique_ptr<AppendFile> open_log(const fs::path& file,
                                     const std::vector<std::string>& columns) {
    auto log = std::make_unique<AppendFile>(file.string());  // cuts off an unfinished last line
    std::string header(1024, '\0');                          // longer than any header of ours
    std::ifstream in(file, std::ios::binary);
    in.read(header.data(), static_cast<std::streamsize>(header.size()));
    header.resize(static_cast<std::size_t>(in.gcount()));
    header.resize(std::min(header.find('\n'), header.size()));
    if (header.empty()) {
        log->append(csv_line(columns));
    } else if (header != csv_line(columns)) {
        throw Error("F04", "the log has other columns than this program writes: " + header,
                    file.string(), "move it away, or use the version that began the run");
    }
    return log;
}

}  // namespace

const std::vector<std::string>& epoch_columns() {
    static const std::vector<std::string> columns{
        "epoch",      "train_loss",     "eval_loss",
        "eval_top1",  "eval_top5",      "lr",
        "train_top1", "eval_f1_macro",  "eval_precision_macro",
        "nonfinite",  "skipped_images", "epoch_s",
        "img_s",      "mem_mib"};
    return columns;
}

const std::vector<std::string>& step_columns() {
    static const std::vector<std::string> columns{"step", "epoch", "loss", "lr", "grad_norm"};
    return columns;
}

TrainingLog::TrainingLog(const RunFolder& run)
    : epochs_(open_log(run.log_csv(), epoch_columns())),
      steps_(open_log(run.steps_csv(), step_columns())) {}

TrainingLog::~TrainingLog() = default;

void TrainingLog::step(const StepRow& row) {
    steps_->append(csv_line({std::to_string(row.step), std::to_string(row.epoch),
                             csv_number(row.loss), csv_number(row.lr), csv_number(row.grad_norm)}));
}

void TrainingLog::epoch(const EpochRow& row) {
    epochs_->append(
        csv_line({std::to_string(row.epoch), csv_number(row.train_loss), csv_number(row.eval_loss),
                  csv_number(row.eval_top1), csv_number(row.eval_top5), csv_number(row.lr),
                  csv_number(row.train_top1), csv_number(row.eval_f1_macro),
                  csv_number(row.eval_precision_macro), std::to_string(row.nonfinite),
                  std::to_string(row.skipped_images), csv_number(row.epoch_s),
                  csv_number(row.img_s), std::to_string(row.mem_mib)}));
}

void TrainingLog::sync() {
    epochs_->sync();
    steps_->sync();
}

void TrainingLog::cut_back(const RunFolder& run, std::int64_t step, std::int64_t epoch) {
    cut_back_csv(run.log_csv(), epoch);
    cut_back_csv(run.steps_csv(), step);
}

void cut_back_csv(const fs::path& file, std::int64_t last) {
    if (!fs::exists(file)) return;
    AppendFile log(file.string());
    std::ifstream in(file);
    std::string line;
    if (!std::getline(in, line)) return;
    std::uint64_t keep = 1;  // the header
    while (std::getline(in, line)) {
        std::int64_t number = 0;
        const auto result = std::from_chars(line.data(), line.data() + line.size(), number);
        if (result.ec != std::errc{} || number > last) break;
        ++keep;
    }
    log.keep_lines(keep);
}

}  // namespace fovea::apps
