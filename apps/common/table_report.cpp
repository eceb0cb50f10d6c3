#include "apps/common/table_report.h"

#include <fmt/format.h>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "apps/common/csv_table.h"
#include "core/serialize/atomic_file.h"

namespace fovea::apps {
namespace {

using Member = std::string Column::*;

std::vector<std::string> texts(const TableRow& row, Member member) {
    std::vector<std::string> list;
    for (const Column& column : row) list.push_back(column.*member);
    return list;
}

void print(const TableRow& row, Member member) {
    std::string line;
    for (const Column& column : row) {
        if (column.width == 0) continue;
        const std::string& text = column.*member;
        line += column.width < 0 ? fmt::format("{:<{}} ", text, -column.width)
                                 : fmt::format("{:>{}} ", text, column.width);
    }
    std::printf("%s\n", line.c_str());
    std::fflush(stdout);
}

}  // namespace

void TableReport::add(const TableRow& row) {
    rows_.push_back(row);
    if (flags_.quiet || flags_.json) return;
    if (rows_.size() == 1) print(row, &Column::name);
    print(row, &Column::cell);
}

void TableReport::finish() const {
    if (flags_.given("--csv") && !rows_.empty()) {
        std::string text = csv_line(texts(rows_.front(), &Column::name)) + "\n";
        for (const TableRow& row : rows_) text += csv_line(texts(row, &Column::cell)) + "\n";
        write_text_atomically(flags_.text("--csv"), text);
    }
    if (!flags_.json) return;
    nlohmann::ordered_json list = nlohmann::ordered_json::array();
    for (const TableRow& row : rows_) {
        nlohmann::ordered_json& object = list.emplace_back(nlohmann::ordered_json::object());
        for (const Column& column : row) object[column.name] = column.cell;
    }
    std::printf("%s\n", list.dump(2).c_str());
}

}  // namespace fovea::apps
