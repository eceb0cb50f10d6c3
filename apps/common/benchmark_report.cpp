#include "apps/common/benchmark_report.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "apps/common/csv_table.h"

namespace fovea::apps {
namespace {

/// A column: its name, and its cell as text.
using Fields = std::vector<std::pair<std::string, std::string>>;

std::string fixed(double value, int digits) { return fmt::format("{:.{}f}", value, digits); }

Fields timm_fields(const BenchmarkRow& row) {
    const BenchmarkResult& r = row.result;
    const std::string rate = fixed(r.images_per_second, 2), ms = fixed(r.step_ms, 3);
    const std::string batch = std::to_string(row.settings.batch);
    const std::string size = std::to_string(r.height), millions = fixed(1e-6 * r.parameters, 4);
    if (row.settings.training)
        return {{"model", row.settings.model}, {"train_samples_per_sec", rate},
                {"train_step_time", ms},       {"train_batch_size", batch},
                {"train_img_size", size},      {"param_count", millions}};
    return {{"model", row.settings.model},      {"infer_img_size", size},
            {"infer_samples_per_sec", rate},    {"infer_step_time", ms},
            {"infer_batch_size", batch},        {"param_count", millions},
            {"infer_gmacs", fixed(r.gmacs, 6)}, {"infer_macts", ""}};
}

Fields fields(const BenchmarkRow& row) {
    const BenchmarkResult& r = row.result;
    Fields all = timm_fields(row);
    const Fields ours = {
        {"samples_per_sec_min", fixed(r.slowest, 2)},
        {"samples_per_sec_max", fixed(r.fastest, 2)},
        {"gmacs", fixed(r.gmacs, 6)},
        {"sgemm_gflops", fixed(r.sgemm_gflops, 1)},
        {"share_of_sgemm", fixed(r.share_of_sgemm(), 4)},
        {"peak_mib", fixed(r.peak_mib, 1)},
        {"late_system_allocations", std::to_string(r.late_system_allocations)},
        {"live_bytes_equal", r.live_bytes_equal ? "1" : "0"},
        {"page_faults_per_step", csv_number(r.faults_per_step)},
        {"first_step_s", fixed(r.first_step_s, 3)},
        {"threads", std::to_string(r.threads)},
    };
    all.insert(all.end(), ours.begin(), ours.end());
    return all;
}

}  // namespace

std::string benchmark_heading() {
    return fmt::format(
        "{:<12} {:<5} {:>5} {:>11} {:>10} {:>21} {:>9} {:>8} {:>8} {:>8} {:>9} {:>7} {:>6} {:>6} "
        "{:>6}\n"
        "{:<12} {:<5} {:>5} {:>11} {:>10} {:>21} {:>9} {:>8} {:>8} {:>8} {:>9} {:>7} {:>6} {:>6} "
        "{:>6}",
        "model", "", "batch", "image", "images/s", "slowest..fastest", "step", "GMACs", "of sgemm",
        "params", "peak", "1st", "late", "live", "faults",  //
        "", "", "", "", "median", "", "ms", "/image", "%", "M", "MiB", "step s", "allocs", "equal",
        "/step");
}

std::string benchmark_line(const BenchmarkRow& row) {
    const BenchmarkResult& r = row.result;
    return fmt::format(
        "{:<12} {:<5} {:>5} {:>11} {:>10.1f} {:>21} {:>9.2f} {:>8.4f} {:>8.1f} {:>8.3f} {:>9.1f} "
        "{:>7.2f} {:>6} {:>6} {:>6}",
        row.settings.model, row.settings.training ? "train" : "infer", row.settings.batch,
        fmt::format("{}x{}x{}", r.height, r.width, r.channels), r.images_per_second,
        fmt::format("{:.1f}..{:.1f}", r.slowest, r.fastest), r.step_ms, r.gmacs,
        100.0 * r.share_of_sgemm(), 1e-6 * r.parameters, r.peak_mib, r.first_step_s,
        r.late_system_allocations, r.live_bytes_equal ? "yes" : "no",
        csv_number(r.faults_per_step));
}

std::string benchmark_csv(const std::vector<BenchmarkRow>& rows) {
    std::string text;
    for (const BenchmarkRow& row : rows) {
        std::vector<std::string> names, cells;
        for (auto& [name, cell] : fields(row)) {
            names.push_back(name);
            cells.push_back(cell);
        }
        if (text.empty()) text = csv_line(names) + "\n";
        text += csv_line(cells) + "\n";
    }
    return text;
}

std::string benchmark_json(const std::vector<BenchmarkRow>& rows) {
    nlohmann::ordered_json list = nlohmann::ordered_json::array();
    for (const BenchmarkRow& row : rows) {
        nlohmann::ordered_json object;
        for (const auto& [name, cell] : fields(row)) {
            // Cells are numbers, but for the model's name and what is not known.
            const auto number = nlohmann::ordered_json::parse(cell, nullptr, false);
            object[name] = cell.empty()            ? nlohmann::ordered_json(nullptr)
                           : number.is_discarded() ? nlohmann::ordered_json(cell)
                                                   : number;
        }
        list.push_back(std::move(object));
    }
    return list.dump(2) + "\n";
}

}  // namespace fovea::apps
