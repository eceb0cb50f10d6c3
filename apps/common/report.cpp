#include "apps/common/report.h"

#include "apps/common/env_info.h"
#include "apps/common/html.h"
#include "apps/common/report_sections.h"
#include "apps/common/report_style.h"
#include "core/serialize/atomic_file.h"

namespace fovea::apps {

std::string report_html(const RunFolder& run, const ReportData& data) {
    const EvaluationFiles evaluation = read_evaluation(run);
    const std::string title = escape_html(shortened(data.title, 120));
    // The policy forbids what we never do: scripts, and anything fetched from elsewhere.
    std::string page =
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
        "img-src data:; style-src 'unsafe-inline'\">\n"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>" +
        title + "</title>\n<style>" + kReportStyle + "</style>\n</head>\n<body>\n<h1>" + title +
        "</h1>\n<div class=\"subtitle\">" + escape_html(shortened(data.subtitle, 300)) + "</div>\n";
    for (const std::string& note : data.notes)
        page += "<div class=\"warn\">" + escape_html(shortened(note, 500)) + "</div>\n";
    page += headline_section(run, data, evaluation);
    page += curves_section(run);
    page += samples_section(data);
    page += confusion_section(run, evaluation);
    page += classes_section(evaluation);
    page += "<h2>Details</h2>\n" + log_section(run) + settings_section(run);
    page += "<p class=\"note\">" + escape_html(version_line()) + "</p>\n</body>\n</html>\n";
    return page;
}

void write_report(const RunFolder& run, const ReportData& data) {
    write_text_atomically(run.report().string(), report_html(run, data));
}

}  // namespace fovea::apps
