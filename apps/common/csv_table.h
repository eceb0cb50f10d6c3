// CSV as in RFC 4180: fields with a comma, a quote or a line break are quoted, quotes doubled.
//
//     std::string line = csv_line({"a,b", "2"});               // "\"a,b\",2"
//     CsvTable log = read_csv(run.log_csv());
//     double loss = log.number(row, "eval_loss");              // NaN when the cell is empty
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace fovea::apps {

/// One row, without a line break at its end.
std::string csv_line(const std::vector<std::string>& cells);

/// A number for a CSV cell: nine significant digits ("" for NaN, so that readers see a gap).
std::string csv_number(double value);

struct CsvTable {
    std::vector<std::string> columns;
    std::vector<std::vector<std::string>> rows;

    int column(std::string_view name) const;  ///< index, or -1
    double number(std::size_t row, std::string_view column) const;
    std::string text(std::size_t row, std::string_view column) const;  ///< "" when absent
};

/// First row = columns. A last line without its line break (a crash while writing) is left out.
CsvTable parse_csv(std::string_view text);

/// A missing file gives an empty table; Error F01 if it cannot be read.
CsvTable read_csv(const std::filesystem::path& file);

}  // namespace fovea::apps
