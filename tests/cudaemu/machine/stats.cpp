#include "tests/cudaemu/machine/stats.h"

#include <cxxabi.h>
#include <sys/mman.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <sstream>

#include "tests/cudaemu/machine/memory.h"

namespace emu {

const char* const kClsName[] = {"alu",       "fma",       "sfu",       "tensor", "ld_global",
                                "st_global", "ld_shared", "st_shared", "local",  "atomic",
                                "barrier",   "branch",    "async",     "other"};

static const char* stats_path() {
    static const char* p = getenv("CUDAEMU_STATS");
    return p && *p ? p : nullptr;
}
bool stats_enabled() { return stats_path() != nullptr; }

static std::mutex g_mu;
static std::vector<std::unique_ptr<KernelStats>>& table() {
    static auto* t = new std::vector<std::unique_ptr<KernelStats>>;
    return *t;
}

KernelStats* stats_for(const std::string& name) {
    std::lock_guard lk(g_mu);
    static bool registered = (atexit(stats_report), true);
    (void)registered;
    for (auto& k : table())
        if (k->name == name) return k.get();
    table().push_back(std::make_unique<KernelStats>());
    table().back()->name = name;
    return table().back().get();
}

void KernelStats::merge(const WorkerStats& w, const KernelImage& img) {
    std::lock_guard lk(mu);
    for (auto& p : img.programs)
        for (size_t i = 0; i < p->code.size(); i++) {
            u64 c = w.count[p->stat_base + i];
            if (p->code[i].kind == Kind::Nop) continue;
            by_class[size_t(p->code[i].cls)] += c;
            insts += c;
        }
    lanes += w.lanes;
    tensor_flops += w.tensor_flops;
    fp32_flops += w.fp32_flops;
    auto add = [](MemCounters& a, const MemCounters& b) {
        a.requests += b.requests;
        a.sectors += b.sectors;
        a.ideal += b.ideal;
        a.bytes += b.bytes;
    };
    add(ld, w.ld);
    add(st, w.st);
    smem_req += w.smem_req;
    smem_wave += w.smem_wave;
    smem_extra += w.smem_extra;
    divergent += w.divergent;
}

// One bit per 32-byte sector of the arena, for loads and stores.
static u64* g_bits[2];
static u64* bits(int k) {
    static std::once_flag once;
    std::call_once(once, [] {
        for (auto& b : g_bits) {
            void* p = mmap(nullptr, DeviceMemory::kArena / 32 / 8, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
            if (p == MAP_FAILED) die("cannot reserve the sector map");
            b = static_cast<u64*>(p);
        }
    });
    return g_bits[k];
}

void stats_global_access(WorkerStats& ws, const u64* addr, u32 mask, u32 nbytes, bool store) {
    static const u64 base = DeviceMemory::get().arena_base();
    MemCounters& m = store ? ws.st : ws.ld;
    u64 seen[64];
    int n = 0;
    u64* map = bits(store ? 1 : 0);
    for_lanes(mask, [&](int i) {
        for (u64 s = addr[i] >> 5; s <= (addr[i] + nbytes - 1) >> 5; s++) {
            bool found = false;
            for (int k = n - 1; k >= 0 && !found; k--) found = seen[k] == s;
            if (found) continue;
            if (n < 64) seen[n++] = s;
            u64 rel = s - (base >> 5);
            if (rel < DeviceMemory::kArena / 32) {
                u64 bit = 1ull << (rel & 63);
                if (!(map[rel >> 6] & bit))
                    __atomic_fetch_or(&map[rel >> 6], bit, __ATOMIC_RELAXED);
            }
        }
    });
    m.requests++;
    m.sectors += u64(n);
    // Ideal: the distinct bytes, packed.
    u64 distinct = 0, last = ~0ull;
    for_lanes(mask, [&](int i) {
        if (addr[i] != last) distinct++;
        last = addr[i];
    });
    u64 b = distinct * nbytes;
    m.bytes += b;
    m.ideal += std::min<u64>((b + 31) / 32, u64(n));
}

void stats_shared_access(WorkerStats& st, const u32* addr, u32 mask, u32 nbytes) {
    // 32 banks of 4 bytes; 64-bit accesses go by half warps, 128-bit ones by quarter warps.
    int phases = nbytes <= 4 ? 1 : nbytes <= 8 ? 2 : 4;
    int lanes = kWarp / phases;
    st.smem_req++;
    for (int ph = 0; ph < phases; ph++) {
        u32 m = (mask >> (ph * lanes)) & (lanes == 32 ? kFull : (1u << lanes) - 1);
        if (!m) continue;
        u32 word[32][8];
        u8 cnt[32] = {};
        u32 worst = 1;
        for_lanes(m, [&](int i) {
            u32 a = addr[ph * lanes + i];
            for (u32 w = a >> 2; w <= (a + nbytes - 1) >> 2; w++) {
                u32 b = w & 31;
                bool dup = false;
                for (u32 k = 0; k < std::min<u32>(cnt[b], 8) && !dup; k++) dup = word[b][k] == w;
                if (dup) continue;
                if (cnt[b] < 8) word[b][cnt[b]] = w;
                cnt[b]++;
                worst = std::max<u32>(worst, cnt[b]);
            }
        });
        st.smem_wave += worst;
        st.smem_extra += worst - 1;
    }
}

void stats_collect_unique(KernelStats& k) {
    std::lock_guard lk(k.mu);
    u64 base = DeviceMemory::get().arena_base();
    u64* r = bits(0);
    u64* w = bits(1);
    DeviceMemory::get().for_live([&](const Allocation& a) {
        if (!DeviceMemory::get().in_arena(a.base)) return;
        u64 lo = ((a.base - base) >> 5) >> 6, hi = (((a.base + a.size - base) >> 5) >> 6) + 1;
        for (u64 i = lo; i < hi; i++) {
            if (r[i]) {
                k.uniq_ld += u64(std::popcount(r[i]));
                r[i] = 0;
            }
            if (w[i]) {
                k.uniq_st += u64(std::popcount(w[i]));
                w[i] = 0;
            }
        }
    });
}

// ---- report -----------------------------------------------------------------------------------

struct Roof {
    double dram, tensor, fp32, smem, issue, l2;
    const char* name;
    double time;
};

static Roof roofline(const KernelStats& k) {
    const double clk = 1.755e9, sms = 132;
    Roof r{};
    r.dram = double(k.uniq_ld + k.uniq_st) * 32 / 3.35e12;
    r.tensor = double(k.tensor_flops) / 989e12;
    r.fp32 = double(k.fp32_flops) / 67e12;
    r.smem = double(k.smem_wave) / (sms * clk);
    r.issue = double(k.insts) / (4 * sms * clk);
    r.l2 = double(k.ld.sectors + k.st.sectors) * 32 / 7.5e12;
    // A grid smaller than the machine cannot use all of it.
    double blocks = k.launches ? double(k.blocks) / double(k.launches) : 1;
    double frac = std::min(1.0, blocks / sms);
    if (frac > 0) r.tensor /= frac, r.fp32 /= frac, r.smem /= frac, r.issue /= frac;
    r.name = "dram";
    r.time = r.dram;
    auto consider = [&](double t, const char* n) {
        if (t > r.time) r.time = t, r.name = n;
    };
    consider(r.tensor, "tensor");
    consider(r.fp32, "fp32");
    consider(r.smem, "smem");
    consider(r.issue, "issue");
    consider(r.l2, "l2");
    return r;
}

// CUDAEMU_REGS: output of cuobjdump --dump-resource-usage ("Function NAME:" / "REG:n STACK:...").
static std::map<std::string, int> load_regs() {
    std::map<std::string, int> out;
    const char* p = getenv("CUDAEMU_REGS");
    if (!p) return out;
    std::ifstream f(p);
    std::string line, fn;
    while (std::getline(f, line)) {
        size_t a = line.find("Function ");
        if (a != std::string::npos) {
            fn = line.substr(a + 9);
            size_t e = fn.rfind(':');
            if (e != std::string::npos) fn.resize(e);
            int status = 0;
            char* d = abi::__cxa_demangle(fn.c_str(), nullptr, nullptr, &status);
            if (status == 0 && d) fn = d;
            free(d);
        }
        a = line.find("REG:");
        if (a != std::string::npos && !fn.empty()) out[fn] = atoi(line.c_str() + a + 4);
    }
    return out;
}

static int occupancy(const KernelStats& k, int regs) {
    u32 threads = k.block[0] * k.block[1] * k.block[2];
    u32 warps = (threads + 31) / 32;
    if (!warps) return 0;
    int by_warps = int(64 / warps), by_blocks = 32;
    u32 rpw = (u32(regs) * 32 + 255) / 256 * 256;
    int by_regs = rpw ? int(65536 / (rpw * warps)) : 32;
    u32 sm = k.max_dyn_smem + k.static_smem + 1024;
    int by_smem = int(228 * 1024 / sm);
    return std::min(std::min(by_warps, by_blocks), std::min(by_regs, by_smem));
}

void stats_report() {
    const char* path = stats_path();
    if (!path) return;
    std::lock_guard lk(g_mu);
    auto regs = load_regs();
    if (!strcmp(path, "-")) {
        for (auto& kp : table()) {
            KernelStats& k = *kp;
            Roof r = roofline(k);
            fprintf(stderr,
                    "\n== %s\n   launches %llu  grid (%u,%u,%u) block (%u,%u,%u)  smem static %u "
                    "dynamic %u\n",
                    k.name.c_str(), (unsigned long long)k.launches, k.grid[0], k.grid[1], k.grid[2],
                    k.block[0], k.block[1], k.block[2], k.static_smem, k.max_dyn_smem);
            fprintf(stderr,
                    "   warp instructions %llu (%.1f active lanes):", (unsigned long long)k.insts,
                    k.insts ? double(k.lanes) / double(k.insts) : 0.0);
            for (size_t i = 0; i < size_t(Cls::Count); i++)
                if (k.by_class[i])
                    fprintf(stderr, " %s %llu", kClsName[i], (unsigned long long)k.by_class[i]);
            fprintf(stderr, "\n   tensor %.4g GFLOP  fp32 %.4g GFLOP  divergent branches %llu\n",
                    double(k.tensor_flops) * 1e-9, double(k.fp32_flops) * 1e-9,
                    (unsigned long long)k.divergent);
            auto mem = [&](const char* n, const MemCounters& m, u64 uniq) {
                if (!m.requests) return;
                fprintf(stderr,
                        "   global %s: %llu requests, %llu sectors (%.2f/request, ideal %.2f), "
                        "%.4g MB unique\n",
                        n, (unsigned long long)m.requests, (unsigned long long)m.sectors,
                        double(m.sectors) / double(m.requests),
                        double(m.ideal) / double(m.requests), double(uniq) * 32e-6);
            };
            mem("loads", k.ld, k.uniq_ld);
            mem("stores", k.st, k.uniq_st);
            if (k.smem_req)
                fprintf(stderr,
                        "   shared: %llu requests, %llu wavefronts, %llu from bank conflicts "
                        "(%.1f%%)\n",
                        (unsigned long long)k.smem_req, (unsigned long long)k.smem_wave,
                        (unsigned long long)k.smem_extra,
                        100.0 * double(k.smem_extra) / double(k.smem_wave));
            auto it = regs.find(k.name);
            if (it != regs.end()) {
                int occ = occupancy(k, it->second);
                fprintf(stderr, "   registers %d: %d blocks/SM (%u warps)\n", it->second, occ,
                        u32(occ) * ((k.block[0] * k.block[1] * k.block[2] + 31) / 32));
            }
            double per = k.launches ? 1e6 / double(k.launches) : 0;
            fprintf(stderr,
                    "   H100 lower bound per launch: %.3f us, bound by %s (dram %.3f tensor %.3f "
                    "fp32 %.3f smem %.3f issue %.3f l2 %.3f us); emulated in %.3f s\n",
                    r.time * per, r.name, r.dram * per, r.tensor * per, r.fp32 * per, r.smem * per,
                    r.issue * per, r.l2 * per, k.host_seconds);
        }
        return;
    }
    std::ofstream f(path);
    f << "{\n";
    bool first = true;
    for (auto& kp : table()) {
        KernelStats& k = *kp;
        Roof r = roofline(k);
        if (!first) f << ",\n";
        first = false;
        std::string nm;
        for (char ch : k.name) {
            if (ch == '"' || ch == '\\') nm += '\\';
            nm += ch;
        }
        f << " \"" << nm << "\": {\"launches\": " << k.launches << ", \"grid\": [" << k.grid[0]
          << "," << k.grid[1] << "," << k.grid[2] << "], \"block\": [" << k.block[0] << ","
          << k.block[1] << "," << k.block[2] << "], \"static_smem\": " << k.static_smem
          << ", \"max_dynamic_smem\": " << k.max_dyn_smem << ", \"warp_instructions\": " << k.insts
          << ", \"lane_instructions\": " << k.lanes << ",\n  \"by_class\": {";
        for (size_t i = 0; i < size_t(Cls::Count); i++)
            f << (i ? ", " : "") << "\"" << kClsName[i] << "\": " << k.by_class[i];
        auto mem = [&](const char* n, const MemCounters& m, u64 uniq) {
            f << ",\n  \"" << n << "\": {\"requests\": " << m.requests
              << ", \"sectors\": " << m.sectors << ", \"ideal_sectors\": " << m.ideal
              << ", \"bytes\": " << m.bytes << ", \"unique_sectors\": " << uniq
              << ", \"unique_bytes\": " << uniq * 32 << "}";
        };
        f << "},\n  \"tensor_flops\": " << k.tensor_flops << ", \"fp32_flops\": " << k.fp32_flops
          << ", \"divergent_branches\": " << k.divergent;
        mem("global_load", k.ld, k.uniq_ld);
        mem("global_store", k.st, k.uniq_st);
        f << ",\n  \"shared\": {\"requests\": " << k.smem_req << ", \"wavefronts\": " << k.smem_wave
          << ", \"conflict_wavefronts\": " << k.smem_extra << "}";
        auto it = regs.find(k.name);
        if (it != regs.end())
            f << ",\n  \"registers\": " << it->second
              << ", \"blocks_per_sm\": " << occupancy(k, it->second);
        double per = k.launches ? 1.0 / double(k.launches) : 0;
        f << ",\n  \"roofline_h100\": {\"bound\": \"" << r.name
          << "\", \"seconds_per_launch\": " << r.time * per << ", \"dram\": " << r.dram * per
          << ", \"tensor\": " << r.tensor * per << ", \"fp32\": " << r.fp32 * per
          << ", \"smem\": " << r.smem * per << ", \"issue\": " << r.issue * per
          << ", \"l2\": " << r.l2 * per << "},\n  \"host_seconds\": " << k.host_seconds << "}";
    }
    f << "\n}\n";
}

}  // namespace emu
