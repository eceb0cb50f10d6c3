// A table of results: printed row by row while a program measures, and written as CSV or JSON at the end.
//
//     TableReport report(flags);
//     report.add({{"case", name, -58}, {"us", "12.5", 10}, {"bytes", "4096"}});   // every row alike
//     report.finish();
#pragma once

#include <string>
#include <vector>

#include "apps/common/flags.h"

namespace fovea::apps {

struct Column {
    std::string name, cell;
    int width = 0;  ///< on the terminal; negative: flush left; 0: not shown there
};
using TableRow = std::vector<Column>;

class TableReport {
public:
    explicit TableReport(const Flags& flags) : flags_(flags) {}

    /// Prints the row, unless --quiet or --json; before the first one the names.
    void add(const TableRow& row);
    /// Writes --csv FILE, and with --json the rows on stdout. Errors: F01..F03.
    void finish() const;

private:
    const Flags& flags_;
    std::vector<TableRow> rows_;
};

}  // namespace fovea::apps
