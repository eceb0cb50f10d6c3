// Dynamic statistics per kernel and a roofline estimate.
#pragma once
#include <mutex>

#include "tests/cudaemu/decode/program.h"

namespace emu {

struct MemCounters {
    u64 requests = 0, sectors = 0, ideal = 0, bytes = 0;
};

// Accumulated by one host thread during one launch.
struct WorkerStats {
    std::vector<u64> count;  // warp instructions per static instruction
    u64 lanes = 0;
    u64 tensor_flops = 0, fp32_flops = 0;
    MemCounters ld, st;
    u64 smem_req = 0, smem_wave = 0, smem_extra = 0;
    u64 divergent = 0;
    u64 atomics_lanes = 0;
    void reset(u32 ninst) {
        *this = WorkerStats{};
        count.assign(ninst, 0);
    }
};

struct KernelStats {
    std::string name;
    u64 launches = 0;
    u32 grid[3] = {0, 0, 0}, block[3] = {0, 0, 0};
    u32 max_dyn_smem = 0, static_smem = 0;
    u64 by_class[size_t(Cls::Count)] = {};
    u64 insts = 0, lanes = 0;
    u64 tensor_flops = 0, fp32_flops = 0;
    MemCounters ld, st;
    u64 uniq_ld = 0, uniq_st = 0;  // unique sectors
    u64 smem_req = 0, smem_wave = 0, smem_extra = 0;
    u64 divergent = 0;
    u64 blocks = 0, threads = 0;
    double host_seconds = 0;
    std::mutex mu;
    void merge(const WorkerStats& w, const KernelImage& img);
};

bool stats_enabled();
KernelStats* stats_for(const std::string& name);
void stats_global_access(WorkerStats& st, const u64* addr, u32 mask, u32 bytes, bool store);
void stats_shared_access(WorkerStats& st, const u32* addr, u32 mask, u32 bytes);
void stats_collect_unique(KernelStats& k);
void stats_report();

}  // namespace emu
