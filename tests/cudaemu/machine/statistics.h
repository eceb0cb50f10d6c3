// What kernels did, counted: instructions by class, memory traffic, bank conflicts; and what it
// would take an H100 at least.
#pragma once

#include <mutex>

#include "tests/cudaemu/decode/program.h"

namespace fovea::cudaemu {

struct Launch;

struct MemCounters {
    u64 requests = 0;
    u64 sectors = 0;  // of 32 bytes
    u64 ideal = 0;    // sectors if the same bytes lay packed
    u64 bytes = 0;

    void operator+=(const MemCounters& m);
};

/// What is counted while a launch runs.
struct Counters {
    u64 lanes = 0;  // lane instructions
    u64 tensor_flops = 0, fp32_flops = 0;
    MemCounters ld, st;
    u64 smem_requests = 0, smem_wavefronts = 0;
    u64 smem_conflicts = 0;  // wavefronts beyond one a phase
    u64 divergent = 0;       // branches

    void operator+=(const Counters& c);
};

/// Of one thread of the host, during one launch.
struct WorkerStats : Counters {
    std::vector<u64> count;  // warp instructions, by instruction of the program

    void reset(u32 instructions) {
        *this = WorkerStats{};
        count.assign(instructions, 0);
    }
    void count_lanes(const Instruction& I, u32 active);
};

/// Of one kernel, over all its launches.
struct KernelStats : Counters {
    std::string name;
    u64 launches = 0, blocks = 0, threads = 0;
    u32 grid[3] = {0, 0, 0}, block[3] = {0, 0, 0};  // of the last launch
    u32 max_dyn_smem = 0, static_smem = 0;
    u64 by_class[size_t(Class::Count)] = {};
    u64 insts = 0;
    u64 unique_ld = 0, unique_st = 0;  // sectors touched at least once in a launch
    double host_seconds = 0;
    std::mutex mu;

    void merge(const WorkerStats& w, const KernelImage& image);
    void count_launch(const Launch& l, double seconds);
};

bool stats_enabled();
KernelStats* stats_for(const std::string& name);

/// One request of a warp for `bytes` a lane.
void stats_global_access(WorkerStats& w, const u64* addr, u32 mask, u32 bytes, bool store);
void stats_shared_access(WorkerStats& w, const u32* addr, u32 mask, u32 bytes);
/// A bulk copy: as requests of 32 lanes with 16 bytes each.
void stats_bulk_access(WorkerStats& w, u64 addr, u32 bytes, bool store);

/// At the end of the process: writes where CUDAEMU_STATS says.
void report_statistics(const char* path, const std::vector<std::unique_ptr<KernelStats>>& kernels);

}  // namespace fovea::cudaemu
