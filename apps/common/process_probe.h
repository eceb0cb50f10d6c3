// What the system says about this process: memory, page faults, age. Linux.
#pragma once

#include <cstdint>

namespace fovea::apps {

/// Resident memory now and at its peak (VmRSS, VmHWM of /proc/self/status), KiB.
std::int64_t resident_kib();
std::int64_t peak_resident_kib();

/// Page faults so far that needed no disk (ru_minflt): memory touched for the first time.
std::int64_t minor_page_faults();

/// Seconds since the process was started (field 22 of /proc/self/stat; the kernel keeps it to 10 ms).
/// Counts loading of the shared libraries, which a clock read in main() would miss.
double process_age();

}  // namespace fovea::apps
