// The confusion matrix as a heat map: each row in percent of its class.
#include <cstdio>
#include <cstdlib>
#include <sstream>

#include "apps/common/csv_table.h"
#include "apps/common/gnuplot.h"
#include "core/error.h"
#include "core/serialize/atomic_file.h"

namespace fovea::apps {
namespace {

constexpr std::size_t kMostAnnotated = 15;  // classes up to which cells carry their number
constexpr std::size_t kMostNamed = 40;      // classes up to which each has its name on the axis

/// confusion_percent.csv: x (prediction), y (truth), percent of the row. Empty classes are all 0.
std::string percent_table(const CsvTable& counts) {
    std::ostringstream text;
    text << "prediction,truth,percent\n";
    for (std::size_t row = 0; row < counts.rows.size(); ++row) {
        double sum = 0;
        std::vector<double> cells(counts.rows.size());
        for (std::size_t k = 0; k < cells.size(); ++k) {
            const std::vector<std::string>& line = counts.rows[row];
            cells[k] = k + 1 < line.size() ? std::atof(line[k + 1].c_str()) : 0;
            sum += cells[k];
        }
        for (std::size_t k = 0; k < cells.size(); ++k)
            text << k << ',' << row << ',' << csv_number(sum > 0 ? 100 * cells[k] / sum : 0)
                 << '\n';
    }
    return text.str();
}

/// "set xtics ('cat' 0, 'dog' 1)"; of many classes every n-th.
std::string tics(const char* command, const CsvTable& counts, const char* options) {
    const std::size_t n = counts.rows.size();
    const std::size_t stride = n <= kMostNamed ? 1 : (n + 24) / 25;
    std::string out = std::string("set ") + command + " (";
    for (std::size_t k = 0; k < n; k += stride) {
        if (k > 0) out += ", ";
        out += gnuplot_text(counts.rows[k].empty() ? "" : counts.rows[k][0], 18) + " " +
               std::to_string(k);
    }
    return out + ") " + options + "\n";
}

}  // namespace

bool plot_confusion(const RunFolder& run, const Warn& warn) {
    try {
        const CsvTable counts = read_csv(run.eval() / "confusion.csv");
        const std::size_t n = counts.rows.size();
        if (n == 0) return true;
        write_text_atomically((run.plots() / "confusion_percent.csv").string(),
                              percent_table(counts));
        std::ostringstream body;
        // Row 0 is at the top. `image pixels` draws sharp cells, `image` a bitmap for large n.
        body << "set xlabel 'predicted'\nset ylabel 'true'\nset cblabel 'share of the true class "
                "(%)'\n"
             << "unset grid\nset border 15\nset size ratio -1\nset cbrange [0:100]\n"
             << "set xrange [-0.5:" << n - 1 << ".5]\nset yrange [" << n - 1 << ".5:-0.5]\n"
             << "set palette defined (0 '#ffffff', 5 '#deebf7', 30 '#9ecae1', 60 '#3182bd', "
                "100 '#08306b')\n"
             << tics("xtics", counts, "rotate by 60 right noenhanced")
             << tics("ytics", counts, "noenhanced")
             << "plot 'confusion_percent.csv' every ::1 using 1:2:3 with image"
             << (n <= kMostNamed ? " pixels" : "") << " notitle";
        if (n <= kMostAnnotated) {
            const char* labels =
                " '' every ::1 using 1:2:($3 %s ? sprintf('%%.0f', $3) : '') "
                "with labels tc rgb '%s' font ',11' notitle";
            char line[200];
            std::snprintf(line, sizeof line, labels, ">= 0.5 && $3 < 55", "#202020");
            body << ", \\\n    " << line;
            std::snprintf(line, sizeof line, labels, ">= 55", "#ffffff");
            body << ", \\\n    " << line;
        }
        const int side = n <= 12 ? 620 : 820;
        return run_gnuplot(run.plots(), "confusion", side + 130, side * 9 / 10, body.str(), warn);
    } catch (const Error& error) {
        warn("no plot confusion: " + error.message());
        return false;
    }
}

}  // namespace fovea::apps
