// Any text is a table, and what was read is read again from what csv_line makes of it.
#include <cstdlib>

#include "apps/common/csv_table.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace fovea::apps;
    const CsvTable table = parse_csv({reinterpret_cast<const char*>(data), size});
    if (table.columns.empty()) return 0;
    std::string text = csv_line(table.columns) + "\n";
    for (const auto& row : table.rows) text += csv_line(row) + "\n";
    const CsvTable again = parse_csv(text);
    if (again.columns != table.columns || again.rows != table.rows) std::abort();
    for (std::size_t row = 0; row < table.rows.size(); ++row)
        (void)table.number(row, table.columns[0]);
    return 0;
}
