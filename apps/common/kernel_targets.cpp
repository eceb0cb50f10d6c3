#include "apps/common/kernel_targets.h"

#include <fnmatch.h>

#include "apps/common/csv_table.h"
#include "core/error.h"

namespace fovea::apps {

std::vector<TrafficMiss> misses_of(const std::string& case_name, const std::string& pass,
                                   double compulsory_bytes,
                                   const std::vector<KernelCounters>& kernels) {
    const KernelCounters all = sum(kernels);
    std::vector<TrafficMiss> misses;
    if (all.bytes > kMostBytes * compulsory_bytes)
        misses.push_back({case_name, pass, "bytes", all.bytes / compulsory_bytes});
    for (const KernelCounters& k : kernels) {
        if (k.sectors - k.ideal_sectors > kMostSectors * all.ideal_sectors)
            misses.push_back({case_name, k.kernel, "sectors", k.sectors / k.ideal_sectors});
        if (k.conflicts > 0.0) misses.push_back({case_name, k.kernel, "conflicts", k.conflicts});
    }
    return misses;
}

TrafficExceptions::TrafficExceptions(const std::filesystem::path& file) {
    if (!std::filesystem::is_regular_file(file))
        throw Error("F03", "no such file: " + file.string(), "--check",
                    "docs/benchmarks/kernel_traffic_exceptions.csv");
    const CsvTable table = read_csv(file);
    if (table.columns != std::vector<std::string>{"case", "kernel", "target", "reason"})
        throw Error("C04", "the columns must be case,kernel,target,reason", file.string());
    for (std::size_t i = 0; i < table.rows.size(); ++i)
        rows_.push_back({table.text(i, "case"), table.text(i, "kernel"), table.text(i, "target"),
                         table.text(i, "reason")});
}

std::string TrafficExceptions::reason(const TrafficMiss& miss) {
    std::string reason;
    for (Row& row : rows_)
        if (row.target == miss.target &&
            fnmatch(row.case_name.c_str(), miss.case_name.c_str(), 0) == 0 &&
            fnmatch(row.kernel.c_str(), miss.kernel.c_str(), 0) == 0) {
            row.used = true;
            if (reason.empty()) reason = row.reason;
        }
    return reason;
}

std::vector<std::string> TrafficExceptions::unused() const {
    std::vector<std::string> list;
    for (const Row& row : rows_)
        if (!row.used) list.push_back(row.case_name + ", " + row.kernel + ", " + row.target);
    return list;
}

}  // namespace fovea::apps
