#include "tests/cudaemu/machine/statistics.h"

#include <sys/mman.h>

#include "tests/cudaemu/machine/memory.h"
#include "tests/cudaemu/machine/state.h"

namespace fovea::cudaemu {

void MemCounters::operator+=(const MemCounters& m) {
    requests += m.requests;
    sectors += m.sectors;
    ideal += m.ideal;
    bytes += m.bytes;
}

void Counters::operator+=(const Counters& c) {
    lanes += c.lanes;
    tensor_flops += c.tensor_flops;
    fp32_flops += c.fp32_flops;
    ld += c.ld;
    st += c.st;
    smem_requests += c.smem_requests;
    smem_wavefronts += c.smem_wavefronts;
    smem_conflicts += c.smem_conflicts;
    divergent += c.divergent;
}

// ---- the kernels --------------------------------------------------------------------------------

namespace {

const char* stats_path() {
    static const char* path = getenv("CUDAEMU_STATS");
    return path && *path ? path : nullptr;
}

// Never destroyed: the report is written by an exit handler.
struct Table {
    std::mutex mutex;
    std::vector<std::unique_ptr<KernelStats>> kernels;
};
Table& table() {
    static Table* t = new Table;
    return *t;
}

}  // namespace

bool stats_enabled() { return stats_path() != nullptr; }

KernelStats* stats_for(const std::string& name) {
    std::lock_guard lock(table().mutex);
    static const int registered = atexit([] {
        std::lock_guard at_exit(table().mutex);
        report_statistics(stats_path(), table().kernels);
    });
    if (registered != 0) die("atexit");
    for (auto& k : table().kernels)
        if (k->name == name) return k.get();
    table().kernels.push_back(std::make_unique<KernelStats>());
    table().kernels.back()->name = name;
    return table().kernels.back().get();
}

void WorkerStats::count_lanes(const Instruction& I, u32 active) {
    const u32 n = u32(std::popcount(active));
    lanes += n;
    if (I.cls == Class::Tensor)
        tensor_flops += n ? I.flops : 0;
    else
        fp32_flops += u64(I.flops) * n;
}

void KernelStats::merge(const WorkerStats& w, const KernelImage& image) {
    std::lock_guard lock(mu);
    *this += w;
    for (auto& p : image.programs)
        for (size_t i = 0; i < p->code.size(); i++) {
            const u64 n = w.count[p->stat_base + i];
            by_class[size_t(p->code[i].cls)] += n;
            insts += n;
        }
}

// ---- global memory ------------------------------------------------------------------------------

// One bit for each 32-byte sector of the arena: loaded, stored. What a launch loads after storing it
// itself is in the L2 cache, and does not count as loaded.
struct SectorMap {
    u64* loaded = reserve();
    u64* stored = reserve();

    static u64* reserve() {
        void* p = mmap(nullptr, DeviceMemory::kArena / 32 / 8, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (p == MAP_FAILED) die("cannot reserve the sector map");
        return static_cast<u64*>(p);
    }
};
static const SectorMap& sector_map() {
    static const SectorMap m;
    return m;
}

void stats_global_access(WorkerStats& w, const u64* addr, u32 mask, u32 bytes, bool store) {
    static const u64 first = DeviceMemory::get().arena_base() / 32;
    u64* map = store ? sector_map().stored : sector_map().loaded;
    u64 seen[64];
    u32 sectors = 0;
    u64 distinct = 0, last = ~0ull;  // addresses: lanes that read the same one share it
    for_lanes(mask, [&](int i) {
        if (addr[i] != last) distinct++;
        last = addr[i];
        for (u64 s = addr[i] / 32; s <= (addr[i] + bytes - 1) / 32; s++) {
            if (std::find(seen, seen + sectors, s) != seen + sectors) continue;
            if (sectors < 64) seen[sectors++] = s;
            const u64 index = s - first;
            if (index >= DeviceMemory::kArena / 32) continue;  // host memory
            const u64 bit = 1ull << (index & 63);
            if (!store && (sector_map().stored[index >> 6] & bit)) continue;
            if (!(map[index >> 6] & bit))
                __atomic_fetch_or(&map[index >> 6], bit, __ATOMIC_RELAXED);
        }
    });
    MemCounters& m = store ? w.st : w.ld;
    m.requests++;
    m.sectors += sectors;
    m.bytes += distinct * bytes;
    m.ideal += std::min<u64>((distinct * bytes + 31) / 32, sectors);
}

void stats_bulk_access(WorkerStats& w, u64 addr, u32 bytes, bool store) {
    constexpr u32 kLaneBytes = 16;
    for (u32 at = 0; at < bytes; at += kWarp * kLaneBytes) {
        u64 a[kWarp];
        u32 mask = 0;
        for (u32 i = 0; i < kWarp && at + i * kLaneBytes < bytes; i++) {
            a[i] = addr + at + i * kLaneBytes;
            mask |= 1u << i;
        }
        stats_global_access(w, a, mask, kLaneBytes, store);
    }
}

void KernelStats::count_launch(const Launch& l, double seconds) {
    std::lock_guard lock(mu);
    launches++;
    blocks += l.nblocks();
    threads += l.nblocks() * l.block[0] * l.block[1] * l.block[2];
    std::copy(l.grid, l.grid + 3, grid);
    std::copy(l.block, l.block + 3, block);
    max_dyn_smem = std::max(max_dyn_smem, l.dyn_smem);
    static_smem = l.image->static_shared;
    host_seconds += seconds;

    // Counts the marked sectors, and unmarks them.
    const u64 base = DeviceMemory::get().arena_base();
    auto take = [](u64& bits) {
        const u64 n = u64(std::popcount(bits));
        if (n) bits = 0;
        return n;
    };
    DeviceMemory::get().for_live([&](const Allocation& a) {
        if (!DeviceMemory::get().in_arena(a.base)) return;
        constexpr u64 kWordBytes = 32 * 64;
        for (u64 i = (a.base - base) / kWordBytes; i <= (a.base + a.size - base) / kWordBytes;
             i++) {
            unique_ld += take(sector_map().loaded[i]);
            unique_st += take(sector_map().stored[i]);
        }
    });
}

// ---- shared memory ------------------------------------------------------------------------------

// 32 banks of 4 bytes. Accesses of 64 bits go by half warps, of 128 bits by quarter warps.
void stats_shared_access(WorkerStats& w, const u32* addr, u32 mask, u32 bytes) {
    const int phases = bytes <= 4 ? 1 : bytes <= 8 ? 2 : 4, lanes = kWarp / phases;
    w.smem_requests++;
    for (int phase = 0; phase < phases; phase++) {
        const u32 active = mask >> (phase * lanes) & (lanes == kWarp ? kFull : (1u << lanes) - 1);
        if (!active) continue;
        u32 words[32][8];  // that a bank has to deliver
        u8 count[32] = {};
        u32 worst = 1;
        for_lanes(active, [&](int i) {
            const u32 a = addr[phase * lanes + i];
            for (u32 word = a / 4; word <= (a + bytes - 1) / 4; word++) {
                const u32 bank = word % 32, known = std::min<u32>(count[bank], 8);
                if (std::find(words[bank], words[bank] + known, word) != words[bank] + known)
                    continue;
                if (known < 8) words[bank][known] = word;
                count[bank]++;
                worst = std::max<u32>(worst, count[bank]);
            }
        });
        w.smem_wavefronts += worst;
        w.smem_conflicts += worst - 1;
    }
}

}  // namespace fovea::cudaemu
