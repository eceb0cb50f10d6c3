// What the memory traffic of a kernel at training's sizes must not exceed, and the exceptions.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "apps/common/kernel_counters.h"

namespace fovea::apps {

/// Bytes moved, as a multiple of the compulsory ones.
inline constexpr double kMostBytes = 1.05;
/// Sectors beyond the ideal number, as a share of the pass's ideal sectors. What is left free are rows
/// that begin in the middle of a sector.
inline constexpr double kMostSectors = 0.01;

struct TrafficMiss {
    std::string case_name;
    std::string kernel;     ///< "forward" or "backward" where the target is bytes
    std::string target;     ///< bytes, sectors or conflicts
    double measured = 0.0;  ///< multiple of the compulsory bytes or ideal sectors; wavefronts
};

/// The targets that the kernels of one pass miss.
std::vector<TrafficMiss> misses_of(const std::string& case_name, const std::string& pass,
                                   double compulsory_bytes,
                                   const std::vector<KernelCounters>& kernels);

/// Misses with a reason: a CSV file with the columns case, kernel, target, reason. case and kernel may
/// hold * and ?.
class TrafficExceptions {
public:
    TrafficExceptions() = default;  ///< none
    /// Errors: F03 no such file; C04 it has other columns.
    explicit TrafficExceptions(const std::filesystem::path& file);

    /// The reason, or "" if the miss is none of the exceptions.
    std::string reason(const TrafficMiss& miss);
    /// Those that no miss has asked for.
    std::vector<std::string> unused() const;

private:
    struct Row {
        std::string case_name, kernel, target, reason;
        bool used = false;
    };
    std::vector<Row> rows_;
};

}  // namespace fovea::apps
