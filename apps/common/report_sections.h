// The parts of report.html, each a piece of HTML; "" when the run has nothing for it.
#pragma once

#include <string>
#include <vector>

#include "apps/common/metrics.h"
#include "apps/common/report.h"

namespace fovea::apps {

/// The evaluation as the run's CSV files hold it.
struct EvaluationFiles {
    Metrics metrics;                 ///< computed from eval/confusion.csv; no loss, no top-5
    std::vector<std::string> names;  ///< class names
};

EvaluationFiles read_evaluation(const RunFolder& run);

std::string headline_section(const RunFolder& run, const ReportData& data,
                             const EvaluationFiles& evaluation);
std::string curves_section(const RunFolder& run);
std::string confusion_section(const RunFolder& run, const EvaluationFiles& evaluation);
std::string classes_section(const EvaluationFiles& evaluation);
std::string samples_section(const ReportData& data);
std::string log_section(const RunFolder& run);

/// config.toml and env.json.
std::string settings_section(const RunFolder& run);

}  // namespace fovea::apps
