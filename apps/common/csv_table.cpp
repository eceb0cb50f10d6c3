#include "apps/common/csv_table.h"

#include <charconv>
#include <cmath>
#include <fstream>
#include <sstream>

#include "core/error.h"

namespace fovea::apps {

std::string csv_line(const std::vector<std::string>& cells) {
    std::string line;
    for (std::size_t i = 0; i < cells.size(); ++i) {
        if (i > 0) line += ',';
        const std::string& cell = cells[i];
        if (cell.find_first_of(",\"\r\n") == std::string::npos) {
            line += cell;
            continue;
        }
        line += '"';
        for (const char c : cell) {
            if (c == '"') line += '"';
            line += c;
        }
        line += '"';
    }
    return line;
}

std::string csv_number(double value) {
    if (std::isnan(value)) return {};
    char buffer[32];
    const auto result =
        std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::general, 9);
    return {buffer, result.ptr};
}

int CsvTable::column(std::string_view name) const {
    for (std::size_t i = 0; i < columns.size(); ++i)
        if (columns[i] == name) return static_cast<int>(i);
    return -1;
}

std::string CsvTable::text(std::size_t row, std::string_view name) const {
    const int index = column(name);
    if (index < 0 || row >= rows.size()) return {};
    const auto cell = static_cast<std::size_t>(index);
    return cell < rows[row].size() ? rows[row][cell] : std::string{};
}

double CsvTable::number(std::size_t row, std::string_view name) const {
    const std::string cell = text(row, name);
    double value = NAN;
    const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
    return error == std::errc{} && end == cell.data() + cell.size() ? value : NAN;
}

CsvTable parse_csv(std::string_view text) {
    CsvTable table;
    std::vector<std::string> row;
    std::string cell;
    bool in_quotes = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (in_quotes) {
            if (c != '"') {
                cell += c;
            } else if (i + 1 < text.size() && text[i + 1] == '"') {
                cell += text[++i];
            } else {
                in_quotes = false;
            }
        } else if (c == '"') {
            in_quotes = true;
        } else if (c == ',' || c == '\n') {
            row.push_back(std::move(cell));
            cell.clear();
            if (c == ',') continue;
            (table.columns.empty() ? table.columns : table.rows.emplace_back()) = std::move(row);
            row.clear();
        } else if (c != '\r') {
            cell += c;
        }
    }
    return table;
}

CsvTable read_csv(const std::filesystem::path& file) {
    std::error_code ignored;
    if (!std::filesystem::exists(file, ignored)) return {};
    std::ifstream in(file, std::ios::binary);
    std::ostringstream text;
    text << in.rdbuf();
    if (!in) throw Error("F01", "cannot read " + file.string(), file.string(), "ls -l on it");
    return parse_csv(text.str());
}

}  // namespace fovea::apps
