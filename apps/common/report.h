// report.html: one file that opens anywhere. Styles, SVG curves and pictures are inside it; there is
// no script and nothing is fetched. Numbers come from the run folder's CSV files.
//
//     ReportData data;
//     data.title = "cvt_28 on Fashion-MNIST";
//     data.class_names = names;
//     data.headlines = {{"Top-1", "93.1 %", "eval/metrics.json"}};   // before the ones from log.csv
//     data.samples.push_back({Image(sample.image), truth, pred, 0.97, "img 12"});
//     write_report(run, data);
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "apps/common/run_folder.h"
#include "data/image.h"

namespace fovea::apps {

/// One number at the top of the page.
struct Headline {
    std::string label, value;
    std::string note;  ///< small print, such as the file that holds it
};

/// One picture with its prediction.
struct ReportSample {
    Image image;              ///< grey or RGB
    std::int64_t truth = -1;  ///< -1 = unknown
    std::int64_t prediction = -1;
    double prob = 0;   ///< of the prediction, 0..1
    std::string name;  ///< shown as a tooltip
};

struct ReportData {
    std::string title, subtitle;
    std::vector<std::string> class_names;  ///< for the samples; tables take theirs from the CSVs
    std::vector<Headline> headlines;       ///< shown before those found in log.csv and eval/
    std::vector<ReportSample> samples;     ///< the first 60 are shown; wrong ones get a red frame
    std::vector<std::string> notes;        ///< warnings worth keeping: skipped images, no gnuplot
};

/// The page as text, from the data and whatever files the run folder holds.
std::string report_html(const RunFolder& run, const ReportData& data);

/// Writes run.report() atomically; Error F.. on failure.
void write_report(const RunFolder& run, const ReportData& data);

}  // namespace fovea::apps
