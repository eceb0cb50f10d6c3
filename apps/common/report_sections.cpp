#include "apps/common/report_sections.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "apps/common/csv_table.h"
#include "apps/common/html.h"

namespace fovea::apps {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostSamples = 60;
constexpr std::size_t kSampleBytes = 3'000'000;  // all pictures; keeps the page below 5 MB
constexpr std::size_t kMostPairs = 15;
constexpr std::size_t kMostEpochs = 500;    // rows of the log shown, the latest
constexpr std::size_t kMostText = 100'000;  // of a file shown whole

std::string fixed(double value, int digits) {
    if (!std::isfinite(value)) return "–";
    std::ostringstream out;
    out.precision(digits);
    out << std::fixed << value;
    return out.str();
}

std::string percent(double share) { return fixed(100 * share, 2) + " %"; }

std::string duration(double seconds) {
    const auto s = static_cast<long long>(seconds + 0.5);
    if (s < 60) return fixed(seconds, 1) + " s";
    if (s < 3600) return std::to_string(s / 60) + " min " + std::to_string(s % 60) + " s";
    return std::to_string(s / 3600) + " h " + std::to_string(s / 60 % 60) + " min";
}

std::string card(const std::string& label, const std::string& value, const std::string& note) {
    return "<div class=\"card\"><div class=\"label\">" + escape_html(label) +
           "</div><div class=\"value\">" + escape_html(value) + "</div><div class=\"note\">" +
           escape_html(note) + "</div></div>\n";
}

/// Cards of what log.csv says.
std::string log_cards(const CsvTable& log) {
    if (log.rows.empty()) return {};
    const std::size_t last = log.rows.size() - 1;
    double best = NAN, best_epoch = 0, seconds = 0;
    for (std::size_t row = 0; row <= last; ++row) {
        const double top1 = log.number(row, "eval_top1");
        if (std::isfinite(top1) && !(top1 <= best))
            best = top1, best_epoch = log.number(row, "epoch");
        if (const double s = log.number(row, "epoch_s"); std::isfinite(s)) seconds += s;
    }
    std::string out;
    if (std::isfinite(best)) {
        out += card("Best evaluation top-1", fixed(best, 2) + " %",
                    "epoch " + fixed(best_epoch, 0) + ", log.csv");
    }
    if (const double loss = log.number(last, "eval_loss"); std::isfinite(loss))
        out += card("Last evaluation loss", fixed(loss, 4), "log.csv");
    out += card("Last training loss", fixed(log.number(last, "train_loss"), 4), "log.csv");
    out += card("Epochs", log.text(last, "epoch"), "log.csv");
    if (seconds > 0) out += card("Training time", duration(seconds), "sum of epoch_s, log.csv");
    if (const double speed = log.number(last, "img_s"); std::isfinite(speed))
        out += card("Speed", fixed(speed, 0) + " img/s", "last epoch, log.csv");
    return out;
}

std::string read_start(const fs::path& file) {
    std::ifstream in(file, std::ios::binary);
    std::string text(kMostText, '\0');
    in.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(in.gcount()));
    return text;
}

std::string figure(const fs::path& svg, const std::string& prefix, const std::string& what) {
    const std::string drawing = inline_svg(svg, prefix);
    if (drawing.empty()) return {};
    return "<figure role=\"img\" aria-label=\"" + what + "\">" + drawing + "</figure>\n";
}

struct Pair {
    std::int64_t truth, prediction, count;
};

/// The largest off-diagonal cells, largest first.
std::vector<Pair> confused_pairs(const Confusion& confusion) {
    std::vector<Pair> pairs;
    for (std::int64_t t = 0; t < confusion.classes; ++t)
        for (std::int64_t p = 0; p < confusion.classes; ++p)
            if (t != p && confusion.at(t, p) > 0) pairs.push_back({t, p, confusion.at(t, p)});
    std::stable_sort(pairs.begin(), pairs.end(),
                     [](const Pair& a, const Pair& b) { return a.count > b.count; });
    if (pairs.size() > kMostPairs) pairs.resize(kMostPairs);
    return pairs;
}

}  // namespace

EvaluationFiles read_evaluation(const RunFolder& run) {
    const CsvTable table = read_csv(run.eval() / "confusion.csv");
    const std::size_t n = table.rows.size();
    EvaluationFiles evaluation;
    Confusion confusion(static_cast<std::int64_t>(n));
    for (std::size_t row = 0; row < n; ++row) {
        const std::vector<std::string>& cells = table.rows[row];
        evaluation.names.push_back(cells.empty() ? "" : cells[0]);
        for (std::size_t k = 0; k < n && k + 1 < cells.size(); ++k)
            confusion.counts[row * n + k] = std::atoll(cells[k + 1].c_str());
    }
    evaluation.metrics = scores_of(confusion);
    return evaluation;
}

std::string headline_section(const RunFolder& run, const ReportData& data,
                             const EvaluationFiles& evaluation) {
    std::string cards;
    for (const Headline& headline : data.headlines)
        cards += card(headline.label, headline.value, headline.note);
    const Metrics& m = evaluation.metrics;
    if (m.n > 0) {
        cards += card("Top-1", percent(m.top1),
                      "95 % interval " + fixed(100 * m.top1_low, 2) + " – " +
                          fixed(100 * m.top1_high, 2) + ", n = " + std::to_string(m.n) +
                          ", eval/confusion.csv");
        cards += card("Macro F1", percent(m.macro.f1), "mean of f1, eval/per_class.csv");
        cards += card("Macro precision", percent(m.macro.precision),
                      "mean of precision, eval/per_class.csv");
    }
    cards += log_cards(read_csv(run.log_csv()));
    return cards.empty() ? cards : "<div class=\"cards\">\n" + cards + "</div>\n";
}

std::string curves_section(const RunFolder& run) {
    const std::string figures = figure(run.plots() / "loss.svg", "loss_", "Loss over epochs") +
                                figure(run.plots() / "acc.svg", "acc_", "Accuracy over epochs") +
                                figure(run.plots() / "lr.svg", "lr_", "Learning rate over epochs");
    if (figures.empty()) return {};
    return "<h2>Training</h2>\n<div class=\"plots\">\n" + figures + "</div>\n";
}

std::string confusion_section(const RunFolder& run, const EvaluationFiles& evaluation) {
    if (evaluation.metrics.n == 0) return {};
    std::string out = "<h2>Confusion</h2>\n";
    const std::string drawing =
        figure(run.plots() / "confusion.svg", "confusion_", "Confusion matrix");
    if (!drawing.empty()) out += "<div class=\"wide\">" + drawing + "</div>\n";
    const std::vector<Pair> pairs = confused_pairs(evaluation.metrics.confusion);
    if (pairs.empty()) return out + "<p>No image was put into a wrong class.</p>\n";
    out +=
        "<h3>Most confused</h3>\n<div class=\"scroll\"><table><thead><tr><th class=\"name\">true"
        "</th><th class=\"name\">predicted</th><th>images</th><th>of the class</th></tr></thead>"
        "<tbody>\n";
    for (const Pair& pair : pairs) {
        const auto& truth = evaluation.metrics.per_class[static_cast<std::size_t>(pair.truth)];
        out += "<tr><td class=\"name\">" +
               label_html(evaluation.names[static_cast<std::size_t>(pair.truth)]) +
               "</td><td class=\"name\">" +
               label_html(evaluation.names[static_cast<std::size_t>(pair.prediction)]) +
               "</td><td>" + std::to_string(pair.count) + "</td><td>" +
               fixed(100.0 * static_cast<double>(pair.count) / static_cast<double>(truth.n), 1) +
               " %</td></tr>\n";
    }
    return out + "</tbody></table></div>\n";
}

std::string classes_section(const EvaluationFiles& evaluation) {
    if (evaluation.metrics.n == 0) return {};
    std::string out =
        "<h2>Classes</h2>\n<p class=\"note\">eval/per_class.csv</p>\n<div class=\"columns\"><table>"
        "<thead><tr><th class=\"name\">class</th><th>images</th><th>precision</th><th>recall</th>"
        "<th>F1</th><th></th></tr></thead><tbody>\n";
    for (std::size_t k = 0; k < evaluation.names.size(); ++k) {
        const ClassScores& c = evaluation.metrics.per_class[k];
        out += "<tr><td class=\"name\">" + label_html(evaluation.names[k]) + "</td><td>" +
               std::to_string(c.n) + "</td><td>" + fixed(c.precision, 3) + "</td><td>" +
               fixed(c.recall, 3) + "</td><td>" + fixed(c.f1, 3) +
               "</td><td><span class=\"meter\"><i style=\"width:" + fixed(100 * c.f1, 0) +
               "%\"></i></span></td></tr>\n";
    }
    return out + "</tbody></table></div>\n";
}

std::string samples_section(const ReportData& data) {
    const auto name = [&](std::int64_t label) {
        const auto k = static_cast<std::size_t>(label);
        return label >= 0 && k < data.class_names.size() ? data.class_names[k] : std::string("?");
    };
    std::string out;
    std::size_t count = 0, wrong = 0;
    for (const ReportSample& sample : data.samples) {
        if (count == kMostSamples || out.size() > kSampleBytes) break;
        if (sample.image.width <= 0 || sample.image.height <= 0) continue;
        ++count;
        const bool known = sample.truth >= 0, right = sample.truth == sample.prediction;
        wrong += known && !right;
        const bool large = std::max(sample.image.width, sample.image.height) > 96;
        out += std::string("<div class=\"sample") +
               (!known  ? ""
                : right ? " right"
                        : " wrong") +
               "\" title=\"" + escape_html(shortened(sample.name, 120)) + "\"><img" +
               (large ? " class=\"large\"" : "") + " alt=\"\" src=\"" +
               png_uri(sample.image.view()) + "\"><b>" + label_html(name(sample.prediction), 24) +
               "</b> " + fixed(100 * sample.prob, 0) + "&nbsp;%";
        if (known && !right) out += "<br>is " + label_html(name(sample.truth), 24);
        out += "</div>\n";
    }
    if (count == 0) return {};
    return "<h2>Predictions</h2>\n<p class=\"note\">" + std::to_string(count) + " images, " +
           std::to_string(wrong) +
           " of them wrong (red). Predicted class and its probability; the true class where it "
           "differs.</p>\n<div class=\"samples\">\n" +
           out + "</div>\n";
}

std::string log_section(const RunFolder& run) {
    const CsvTable log = read_csv(run.log_csv());
    if (log.rows.empty()) return {};
    std::string out =
        "<details><summary>All epochs (log.csv)</summary><div class=\"scroll\"><table>"
        "<thead><tr>";
    for (const std::string& column : log.columns) out += "<th>" + escape_html(column) + "</th>";
    out += "</tr></thead><tbody>\n";
    const std::size_t rows = log.rows.size();
    for (std::size_t row = rows > kMostEpochs ? rows - kMostEpochs : 0; row < rows; ++row) {
        out += "<tr>";
        for (const std::string& cell : log.rows[row]) out += "<td>" + escape_html(cell) + "</td>";
        out += "</tr>\n";
    }
    return out + "</tbody></table></div></details>\n";
}

std::string settings_section(const RunFolder& run) {
    std::string out;
    for (const auto& [file, title] : {std::pair{run.config_file(), "Settings (config.toml)"},
                                      std::pair{run.env_file(), "Environment (env.json)"}}) {
        const std::string text = read_start(file);
        if (text.empty()) continue;
        out += std::string("<details><summary>") + title + "</summary><pre>" + escape_html(text) +
               "</pre></details>\n";
    }
    return out;
}

}  // namespace fovea::apps
