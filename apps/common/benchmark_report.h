// Benchmark results as a table, as CSV with timm's columns first, and as JSON.
#pragma once

#include <string>
#include <vector>

#include "apps/common/benchmark.h"

namespace fovea::apps {

struct BenchmarkRow {
    BenchmarkSettings settings;
    BenchmarkResult result;
};

/// Two lines of headings, and a row below them.
std::string benchmark_heading();
std::string benchmark_line(const BenchmarkRow& row);

/// All rows must be of the same kind (training or inference). The columns of timm's benchmark.py come
/// first, unchanged (infer_macts is left empty: we do not count activations); then ours.
std::string benchmark_csv(const std::vector<BenchmarkRow>& rows);
std::string benchmark_json(const std::vector<BenchmarkRow>& rows);

}  // namespace fovea::apps
