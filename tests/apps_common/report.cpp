#include "apps/common/report.h"

#include <stdlib.h>

#include <catch2/catch.hpp>

#include "apps/common/csv_log.h"
#include "apps/common/gnuplot.h"
#include "apps/common/html.h"
#include "apps/common/metrics_files.h"
#include "apps/common/plots.h"
#include "tests/apps_common/temp_folder.h"

using namespace fovea;
using namespace fovea::apps;
namespace fs = std::filesystem;

namespace {

const std::vector<std::string> kNasty{"<script>alert(1)</script>",
                                      "../../x",
                                      "two\nlines",
                                      std::string(300, 'x'),
                                      "\u202Egnp.exe",
                                      "שלום",
                                      "🐱",
                                      "\"><img src=http://x onerror='y'>",
                                      "\xff\xfe broken",
                                      "a & b ' `touch pwned` $(x)"};

/// A run with logs, evaluation, plots; and what was warned about.
std::vector<std::string> fill(const RunFolder& run) {
    TrainingLog log(run);
    for (int step = 1; step <= 20; ++step)
        log.step({step, (step + 9) / 10, 2.0 / step, 1e-3 / step, 1.0});
    for (int epoch = 1; epoch <= 2; ++epoch)
        log.epoch({epoch, 1.0 / epoch, 1.1 / epoch, 40.0 * epoch, 90, 1e-3, 50, 40, 40, 0, 0, 9.5,
                   800, 300});
    const auto n = static_cast<std::int64_t>(kNasty.size());
    Confusion confusion(n);
    for (std::int64_t k = 0; k < n; ++k) {
        for (int i = 0; i < 9; ++i) confusion.add(k, k);
        confusion.add(k, (k + 1) % n);
    }
    write_eval_files(run.eval(), scores_of(confusion), kNasty);
    run.write_config("[optim]\nlr = 1 # </pre><script>\n");
    std::vector<std::string> warnings;
    const Warn warn = [&](const std::string& text) { warnings.push_back(text); };
    plot_curves(run, warn);
    plot_confusion(run, warn);
    return warnings;
}

ReportData data_of() {
    ReportData data;
    data.title = kNasty[0];
    data.subtitle = kNasty[7];
    data.class_names = kNasty;
    data.headlines = {{kNasty[0], kNasty[7], kNasty[4]}};
    data.notes = {kNasty[7]};
    for (std::size_t k = 0; k < kNasty.size(); ++k) {
        Image image(7, 300, k % 2 == 0 ? 1 : 3, 100);
        data.samples.push_back({image, static_cast<std::int64_t>(k), 0, 0.5, kNasty[k]});
    }
    return data;
}

/// Checks that tags nest and close and attributes are quoted; returns the problem, or "".
std::string malformed(const std::string& page) {
    const std::vector<std::string> empty_tags{"meta", "br", "img", "link"};
    std::vector<std::string> open;
    std::size_t i = page.find("<html");
    while ((i = page.find('<', i)) != std::string::npos) {
        if (page.compare(i, 4, "<!--") == 0) {
            i = page.find("-->", i) + 3;
            continue;
        }
        const bool closing = page[i + 1] == '/';
        const std::size_t name_start = i + (closing ? 2 : 1);
        std::size_t end = name_start;
        while (end < page.size() && std::isalnum(static_cast<unsigned char>(page[end]))) ++end;
        const std::string name = page.substr(name_start, end - name_start);
        if (name.empty()) return "a bare < before: " + page.substr(i, 40);
        char quote = 0;
        for (; end < page.size() && (quote != 0 || page[end] != '>'); ++end) {
            const char c = page[end];
            if (quote == 0 && c == '<') return "a < inside a tag: " + page.substr(i, 40);
            if (quote == 0 && (c == '"' || c == '\'')) {
                quote = c;
            } else if (c == quote) {
                quote = 0;
            }
        }
        const bool self_closed = page[end - 1] == '/';
        const bool is_empty =
            std::find(empty_tags.begin(), empty_tags.end(), name) != empty_tags.end();
        if (closing) {
            if (open.empty() || open.back() != name) return "unexpected </" + name + ">";
            open.pop_back();
        } else if (!self_closed && !is_empty) {
            open.push_back(name);
            if (name == "style") end = page.find("</style>", end) - 1;
        }
        i = end;
    }
    return open.empty() ? "" : "not closed: " + open.back();
}

}  // namespace

TEST_CASE("report with nasty names: well-formed, no script, nothing fetched, in its folder") {
    test::TempFolder folder;
    const RunFolder run = RunFolder::create("m", 1, (folder.path / "run").string());
    fill(run);
    write_report(run, data_of());
    const std::string page = test::read(run.report());
    CHECK(malformed(page) == "");
    CHECK(page.size() < 5'000'000);
    CHECK(page.find("<script") == std::string::npos);
    CHECK(page.find("onerror='y'") == std::string::npos);
    CHECK(page.find("\u202E") == std::string::npos);
    CHECK(page.find("\xff") == std::string::npos);
    CHECK(page.find("src=\"http") == std::string::npos);
    CHECK(page.find("&lt;script&gt;alert(1)") != std::string::npos);
    CHECK(page.find("data:image/png;base64,") != std::string::npos);
    // The headline numbers are those of the CSV files.
    CHECK(page.find("90.00 %") != std::string::npos);
    CHECK(page.find("80.00 %") != std::string::npos);
    for (const auto& entry : fs::directory_iterator(folder.path))
        CHECK(entry.path().filename() == "run");
    for (const auto& entry : fs::recursive_directory_iterator(run.path()))
        CHECK(entry.path().filename() != "pwned");
}

TEST_CASE("an empty run still has a report") {
    test::TempFolder folder;
    const RunFolder run = RunFolder::create("m", 1, (folder.path / "run").string());
    const std::string page = report_html(run, {});
    CHECK(malformed(page) == "");
    CHECK(page.find("<h2>Classes") == std::string::npos);
}

TEST_CASE("the page keeps below 5 MB with large noisy pictures") {
    test::TempFolder folder;
    const RunFolder run = RunFolder::create("m", 1, (folder.path / "run").string());
    ReportData data;
    data.class_names = {"a"};
    std::uint32_t state = 1;
    for (int i = 0; i < 60; ++i) {
        Image image(160, 160, 3);
        for (std::uint8_t& pixel : image.pixels)
            pixel = static_cast<std::uint8_t>((state = state * 1664525u + 1013904223u) >> 24);
        data.samples.push_back({std::move(image), 0, 0, 1.0, "n"});
    }
    CHECK(report_html(run, data).size() < 5'000'000);
}

TEST_CASE("plots: files appear; without gnuplot there is one warning and no failure") {
    test::TempFolder folder;
    const RunFolder run = RunFolder::create("m", 1, (folder.path / "run").string());
    const std::vector<std::string> warnings = fill(run);
    if (warnings.empty()) {
        for (const char* name : {"loss", "acc", "lr", "confusion"}) {
            CAPTURE(name);
            const std::string svg = test::read(run.plots() / (std::string(name) + ".svg"));
            CHECK(malformed("<html>" + svg.substr(svg.find("<svg")) + "</html>") == "");
            CHECK(test::read(run.plots() / (std::string(name) + ".png")).substr(1, 3) == "PNG");
        }
    } else {
        WARN("plots not drawn here: " << warnings[0]);
    }
    const std::string path = getenv("PATH");
    setenv("PATH", "/nonexistent", 1);
    std::vector<std::string> again;
    CHECK_FALSE(plot_curves(run, [&](const std::string& text) { again.push_back(text); }));
    setenv("PATH", path.c_str(), 1);
    REQUIRE(again.size() == 1);
    CHECK_THAT(again[0], Catch::Contains("gnuplot is not installed"));
}

TEST_CASE("escaping") {
    CHECK(escape_html("<a href='x'>&\"") == "&lt;a href=&#39;x&#39;&gt;&amp;&quot;");
    CHECK(escape_html("a\x01z\x7f") == "a z");
    CHECK(escape_html("\xc3\xa9\xc3") == "\xc3\xa9\xEF\xBF\xBD");
    CHECK(shortened("äöü", 2) == "äö…");
    CHECK(shortened("äöü", 3) == "äöü");
    const std::vector<std::uint8_t> bytes{'M', 'a', 'n', 'M', 'a', 'n', 'M'};
    CHECK(base64(bytes) == "TWFuTWFuTQ==");
    CHECK(base64(std::span(bytes).first(2)) == "TWE=");
    CHECK(gnuplot_text("it's\na") == "'it''s a'");
    CHECK(gnuplot_text("äöü", 2) == "'äö…'");
}
