#include "apps/common/plots.h"

#include <algorithm>
#include <cmath>
#include <iomanip>
#include <sstream>
#include <string>
#include <vector>

#include "apps/common/csv_table.h"
#include "apps/common/gnuplot.h"
#include "core/error.h"
#include "core/serialize/atomic_file.h"

namespace fovea::apps {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kWindow = 50;       // steps in the rolling mean and standard deviation
constexpr std::size_t kMostPoints = 800;  // of a curve; more cannot be seen

// Okabe and Ito's colours: told apart by colour-blind readers too.
constexpr const char* kBlue = "'#0072B2'";
constexpr const char* kOrange = "'#D55E00'";
constexpr const char* kGreen = "'#009E73'";

/// x of every step in epochs: step j of n in epoch e is at e - 1 + (j + 1) / n. The last, unfinished
/// epoch takes n from the one before.
std::vector<double> step_positions(const CsvTable& steps) {
    std::vector<double> x;
    std::size_t begin = 0, last_size = 0;
    const auto epoch_of = [&](std::size_t row) { return steps.number(row, "epoch"); };
    while (begin < steps.rows.size()) {
        std::size_t end = begin;
        while (end < steps.rows.size() && epoch_of(end) == epoch_of(begin)) ++end;
        const std::size_t size = std::max(end - begin, end == steps.rows.size() ? last_size : 0);
        for (std::size_t i = begin; i < end; ++i)
            x.push_back(epoch_of(begin) - 1 +
                        static_cast<double>(i - begin + 1) / static_cast<double>(size));
        last_size = end - begin;
        begin = end;
    }
    return x;
}

/// Evenly spaced indices, the last one among them.
std::vector<std::size_t> thinned(std::size_t n) {
    std::vector<std::size_t> kept;
    const std::size_t stride = std::max<std::size_t>(1, (n + kMostPoints - 1) / kMostPoints);
    for (std::size_t i = (n + stride - 1) % stride; i < n; i += stride) kept.push_back(i);
    return kept;
}

/// loss_steps.csv: epoch, rolling mean, mean - std, mean + std of the training loss per step.
std::string rolling_loss(const CsvTable& steps, const std::vector<double>& x) {
    std::string text = "epoch,mean,low,high\n";
    for (const std::size_t i : thinned(steps.rows.size())) {
        double sum = 0, squares = 0, count = 0;
        for (std::size_t j = i + 1 > kWindow ? i + 1 - kWindow : 0; j <= i; ++j) {
            const double loss = steps.number(j, "loss");
            if (!std::isfinite(loss)) continue;
            sum += loss;
            squares += loss * loss;
            ++count;
        }
        if (count == 0) continue;
        const double mean = sum / count;
        const double deviation = std::sqrt(std::max(0.0, squares / count - mean * mean));
        text += csv_line({csv_number(x[i]), csv_number(mean), csv_number(mean - deviation),
                          csv_number(mean + deviation)}) +
                "\n";
    }
    return text;
}

/// The named columns of log.csv.
std::string epoch_table(const CsvTable& log, const std::vector<std::string>& columns) {
    std::string text = csv_line(columns) + "\n";
    for (std::size_t row = 0; row < log.rows.size(); ++row) {
        std::vector<std::string> cells;
        for (const std::string& column : columns) cells.push_back(log.text(row, column));
        text += csv_line(cells) + "\n";
    }
    return text;
}

bool any_number(const CsvTable& table, const std::string& column) {
    for (std::size_t row = 0; row < table.rows.size(); ++row)
        if (std::isfinite(table.number(row, column))) return true;
    return false;
}

/// A curve over epochs; few epochs also get points, so that one epoch is not an empty plot.
std::string epoch_curve(const std::string& file, int column, const char* colour,
                        const std::string& title, std::size_t rows) {
    const std::string points = rows <= 40 ? "with linespoints pt 7 ps 0.5" : "with lines";
    return gnuplot_text(file) + " using 1:" + std::to_string(column) + " " + points +
           " lw 2 lc rgb " + colour + " title " + gnuplot_text(title);
}

std::string axes(double first_epoch, double last_epoch, const std::string& y_label) {
    std::ostringstream out;
    // Whole epochs as ticks, and some air on both sides so that no point is on the border.
    const double air = std::max(0.05, 0.02 * (last_epoch - first_epoch));
    out << "set xlabel 'epoch'\nset ylabel " << gnuplot_text(y_label) << "\n"
        << "set xrange [" << (first_epoch > 0 ? first_epoch - air : 0) << ':' << last_epoch + air
        << "]\n"
        << (last_epoch <= 12 ? "set xtics 1\n" : "set xtics autofreq\n");
    return out.str();
}

std::string joined(const std::vector<std::string>& curves) {
    std::string out = "plot ";
    for (std::size_t i = 0; i < curves.size(); ++i) out += (i > 0 ? ", \\\n     " : "") + curves[i];
    return out;
}

bool plot_loss(const fs::path& folder, const CsvTable& log, const CsvTable& steps,
               const Warn& warn) {
    const std::vector<double> x = step_positions(steps);
    write_text_atomically((folder / "loss_steps.csv").string(), rolling_loss(steps, x));
    write_text_atomically((folder / "loss.csv").string(),
                          epoch_table(log, {"epoch", "train_loss", "eval_loss"}));
    double last = x.empty() ? 0 : x.back();
    if (!log.rows.empty()) last = std::max(last, log.number(log.rows.size() - 1, "epoch"));
    std::vector<std::string> curves;
    if (any_number(steps, "loss")) {
        curves.push_back(std::string("'loss_steps.csv' using 1:3:4 with filledcurves lc rgb ") +
                         kBlue + " fs transparent solid 0.15 noborder notitle");
        curves.push_back(std::string("'loss_steps.csv' using 1:2 with lines lw 1 lc rgb ") + kBlue +
                         " title 'train, mean ± std of 50 steps'");
    }
    if (any_number(log, "train_loss"))
        curves.push_back(epoch_curve("loss.csv", 2, kGreen, "train, epoch", log.rows.size()));
    if (any_number(log, "eval_loss"))
        curves.push_back(epoch_curve("loss.csv", 3, kOrange, "evaluation", log.rows.size()));
    if (curves.empty()) return true;
    return run_gnuplot(folder, "loss", 720, 420, axes(0, last, "cross-entropy") + joined(curves),
                       warn);
}

bool plot_accuracy(const fs::path& folder, const CsvTable& log, const Warn& warn) {
    write_text_atomically((folder / "acc.csv").string(),
                          epoch_table(log, {"epoch", "train_top1", "eval_top1", "eval_top5"}));
    std::vector<std::string> curves;
    const std::size_t rows = log.rows.size();
    if (any_number(log, "train_top1"))
        curves.push_back(epoch_curve("acc.csv", 2, kBlue, "train top-1", rows));
    double best = -1, best_epoch = 0, least_top5 = 100;
    for (std::size_t row = 0; row < rows; ++row) {
        const double top1 = log.number(row, "eval_top1"), top5 = log.number(row, "eval_top5");
        if (top1 > best) best = top1, best_epoch = log.number(row, "epoch");
        if (std::isfinite(top5)) least_top5 = std::min(least_top5, top5);
    }
    if (best >= 0) {
        std::ostringstream title;
        title << "evaluation top-1, best " << std::fixed << std::setprecision(2) << best
              << " (epoch " << std::setprecision(0) << best_epoch << ")";
        curves.push_back(epoch_curve("acc.csv", 3, kOrange, title.str(), rows));
    }
    // With few classes top-5 lies flat at 100 and only squeezes the other curves.
    if (least_top5 < 90)
        curves.push_back(epoch_curve("acc.csv", 4, kGreen, "evaluation top-5", rows));
    if (curves.empty()) return true;
    return run_gnuplot(folder, "acc", 720, 420,
                       axes(1, log.number(rows - 1, "epoch"), "correct (%)") +
                           "set key bottom right\n" + joined(curves),
                       warn);
}

bool plot_rates(const fs::path& folder, const std::vector<double>& x,
                const std::function<double(std::size_t)>& rate, const Warn& warn) {
    if (x.empty()) return true;
    std::string text = "epoch,lr\n";
    for (const std::size_t i : thinned(x.size()))
        text += csv_line({csv_number(x[i]), csv_number(rate(i))}) + "\n";
    write_text_atomically((folder / "lr.csv").string(), text);
    const std::string curve = std::string("'lr.csv' using 1:2 ") +
                              (x.size() < 20 ? "with linespoints pt 7 ps 0.5" : "with lines") +
                              " lw 2 lc rgb " + kBlue + " notitle";
    return run_gnuplot(folder, "lr", 720, 300,
                       axes(0, x.back(), "learning rate") +
                           "set format y '%g'\nset yrange [0:*]\n" + joined({curve}),
                       warn);
}

/// A plot never stops a run: errors become a warning.
bool guarded(const Warn& warn, const std::function<bool()>& draw) {
    try {
        return draw();
    } catch (const Error& error) {
        warn("no plot: " + error.message());
        return false;
    }
}

}  // namespace

bool plot_curves(const RunFolder& run, const Warn& warn) {
    return guarded(warn, [&] {
        const CsvTable log = read_csv(run.log_csv()), steps = read_csv(run.steps_csv());
        return plot_loss(run.plots(), log, steps, warn) && plot_accuracy(run.plots(), log, warn) &&
               plot_rates(
                   run.plots(), step_positions(steps),
                   [&](std::size_t i) { return steps.number(i, "lr"); }, warn);
    });
}

bool plot_schedule(const RunFolder& run, std::span<const double> lrs, std::int64_t steps_per_epoch,
                   const Warn& warn) {
    return guarded(warn, [&] {
        std::vector<double> x(lrs.size());
        for (std::size_t i = 0; i < x.size(); ++i)
            x[i] = static_cast<double>(i + 1) / static_cast<double>(steps_per_epoch);
        return plot_rates(
            run.plots(), x, [&](std::size_t i) { return lrs[i]; }, warn);
    });
}

}  // namespace fovea::apps
