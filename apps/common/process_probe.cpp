#include "apps/common/process_probe.h"

#include <sys/resource.h>
#include <unistd.h>

#include <ctime>
#include <fstream>
#include <string>

namespace fovea::apps {
namespace {

/// The number behind `key` in /proc/self/status, 0 without such a line.
std::int64_t status_number(const std::string& key) {
    std::ifstream in("/proc/self/status");
    std::int64_t number = 0;
    for (std::string word; in >> word;)
        if (word == key) in >> number;
    return number;
}

}  // namespace

std::int64_t resident_kib() { return status_number("VmRSS:"); }
std::int64_t peak_resident_kib() { return status_number("VmHWM:"); }

std::int64_t minor_page_faults() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_minflt;
}

double process_age() {
    std::ifstream in("/proc/self/stat");
    std::string text;
    std::getline(in, text, ')');  // the program's name may hold blanks
    for (int field = 3; field < 22; ++field) in >> text;
    double ticks = 0.0;  // from boot to start
    in >> ticks;
    timespec now{};
    clock_gettime(CLOCK_BOOTTIME, &now);
    return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec) -
           ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
}

}  // namespace fovea::apps
