// What the CUDA emulator counts: memory traffic, coalescing, bank conflicts and the time that an H100
// would need at least.
//
// Counters cover a process, so a measurement is a process: the program starts itself twice, once up to
// the point where the kernels of interest begin and once past them, and the difference is theirs.
//
//     auto kernels = difference(count_kernels(with), count_kernels(without));
#pragma once

#include <array>
#include <string>
#include <vector>

namespace fovea::apps {

/// Do the CUDA kernels of this process run in the emulator (tests/cudaemu)?
bool in_emulator();

struct KernelCounters {
    static constexpr std::array<const char*, 6> resources = {"dram", "tensor", "fp32",
                                                             "smem", "issue",  "l2"};
    std::string kernel;  ///< without namespaces and template arguments
    double launches = 0.0;
    double bytes = 0.0;          ///< different 32-byte sectors read, and written, by each launch
    double sectors = 0.0;        ///< moved by all requests of all warps
    double ideal_sectors = 0.0;  ///< if each request touched no byte but its own
    double conflicts = 0.0;      ///< shared-memory wavefronts that bank conflicts add
    std::array<double, 6> seconds = {};  ///< each resource's at its peak, all launches

    double bound() const;       ///< the largest of seconds
    const char* limit() const;  ///< and whose it is
};

/// Runs this program with these arguments in the emulator, without its checks and with Fovea's own
/// matrix product (a library's is not counted). One entry a kernel. Errors: B01 it failed.
std::vector<KernelCounters> count_kernels(const std::vector<std::string>& arguments);

/// The kernels of `more` less those of `less`.
std::vector<KernelCounters> difference(std::vector<KernelCounters> more,
                                       const std::vector<KernelCounters>& less);

/// All together; `seconds` is then the time of the kernels one after the other, by what limits each.
KernelCounters sum(const std::vector<KernelCounters>& kernels);

}  // namespace fovea::apps
