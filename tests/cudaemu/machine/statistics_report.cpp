// The statistics as a table or as JSON, with a roofline of an H100: the time that each resource
// needs at its peak. The largest is a lower bound on a kernel's time.
#include <cxxabi.h>

#include <fstream>
#include <map>

#include "tests/cudaemu/machine/statistics.h"

namespace fovea::cudaemu {

namespace {

const char* const kClassNames[] = {"alu",       "fma",       "sfu",       "tensor", "ld_global",
                                   "st_global", "ld_shared", "st_shared", "local",  "atomic",
                                   "barrier",   "branch",    "async",     "other"};
static_assert(std::size(kClassNames) == size_t(Class::Count));

// ---- the roofline -------------------------------------------------------------------------------

constexpr double kClock = 1.755e9, kSms = 132;                          // Hz
constexpr double kDram = 3.35e12, kL2 = 7.5e12;                         // bytes/s
constexpr double kTensor = 989e12, kFp32 = 67e12, kIssue = 4 * kClock;  // FLOP/s; per SM

struct Resource {
    const char* name;
    double seconds;
};
using Roofline = std::vector<Resource>;

Roofline roofline(const KernelStats& k) {
    // A grid smaller than the machine cannot use all of it.
    const double blocks = k.launches ? double(k.blocks) / double(k.launches) : kSms;
    const double share = std::min(1.0, blocks / kSms);
    return {{"dram", double(k.unique_ld + k.unique_st) * 32 / kDram},
            {"tensor", double(k.tensor_flops) / kTensor / share},
            {"fp32", double(k.fp32_flops) / kFp32 / share},
            {"smem", double(k.smem_wavefronts) / (kSms * kClock) / share},
            {"issue", double(k.insts) / (kSms * kIssue) / share},
            {"l2", double(k.ld.sectors + k.st.sectors) * 32 / kL2}};
}

Resource bound(const Roofline& r) {
    return *std::max_element(r.begin(), r.end(), [](const Resource& a, const Resource& b) {
        return a.seconds < b.seconds;
    });
}

// ---- registers ----------------------------------------------------------------------------------

std::string demangled(const std::string& name) {
    int status = 0;
    char* text = abi::__cxa_demangle(name.c_str(), nullptr, nullptr, &status);
    const std::string s = status == 0 && text ? text : name;
    free(text);
    return s;
}

// From CUDAEMU_REGS, the output of cuobjdump --dump-resource-usage: "Function NAME:", "REG:n
// STACK:...".
std::map<std::string, int> registers_of_kernels() {
    std::map<std::string, int> registers;
    const char* path = getenv("CUDAEMU_REGS");
    if (!path) return registers;
    std::ifstream file(path);
    std::string line, function;
    while (std::getline(file, line)) {
        const size_t f = line.find("Function "), r = line.find("REG:");
        if (f != std::string::npos) {
            function = line.substr(f + 9);
            function = demangled(function.substr(0, function.rfind(':')));
        }
        if (r != std::string::npos && !function.empty())
            registers[function] = atoi(line.c_str() + r + 4);
    }
    return registers;
}

u32 warps_per_block(const KernelStats& k) {
    return (k.block[0] * k.block[1] * k.block[2] + kWarp - 1) / kWarp;
}

// Blocks on a multiprocessor of an H100.
u32 occupancy(const KernelStats& k, int registers) {
    const u32 warps = warps_per_block(k);
    if (!warps) return 0;
    const u32 per_warp = u32(align_up(u64(registers) * kWarp, 256));
    return std::min({64 / warps, 32u, per_warp ? 65536 / (per_warp * warps) : 32u,
                     228 * 1024 / (k.max_dyn_smem + k.static_smem + 1024)});
}

// ---- as a table ---------------------------------------------------------------------------------

void print_global(const char* name, const MemCounters& m, u64 unique) {
    if (!m.requests) return;
    const double n = double(m.requests);
    fprintf(
        stderr,
        "   global %s: %llu requests, %llu sectors (%.2f/request, ideal %.2f), %.4g MB unique\n",
        name, ull(m.requests), ull(m.sectors), double(m.sectors) / n, double(m.ideal) / n,
        double(unique) * 32e-6);
}

void print(const KernelStats& k, const int* registers) {
    fprintf(
        stderr,
        "\n== %s\n   launches %llu  grid (%u,%u,%u) block (%u,%u,%u)  smem static %u dynamic %u\n",
        k.name.c_str(), ull(k.launches), k.grid[0], k.grid[1], k.grid[2], k.block[0], k.block[1],
        k.block[2], k.static_smem, k.max_dyn_smem);
    fprintf(stderr, "   warp instructions %llu (%.1f active lanes):", ull(k.insts),
            k.insts ? double(k.lanes) / double(k.insts) : 0.0);
    for (size_t i = 0; i < size_t(Class::Count); i++)
        if (k.by_class[i]) fprintf(stderr, " %s %llu", kClassNames[i], ull(k.by_class[i]));
    fprintf(stderr, "\n   tensor %.4g GFLOP  fp32 %.4g GFLOP  divergent branches %llu\n",
            double(k.tensor_flops) * 1e-9, double(k.fp32_flops) * 1e-9, ull(k.divergent));
    print_global("loads", k.ld, k.unique_ld);
    print_global("stores", k.st, k.unique_st);
    if (k.smem_requests)
        fprintf(stderr,
                "   shared: %llu requests, %llu wavefronts, %llu from bank conflicts (%.1f%%)\n",
                ull(k.smem_requests), ull(k.smem_wavefronts), ull(k.smem_conflicts),
                100.0 * double(k.smem_conflicts) / double(k.smem_wavefronts));
    if (registers) {
        const u32 blocks = occupancy(k, *registers);
        fprintf(stderr, "   registers %d: %u blocks/SM (%u warps)\n", *registers, blocks,
                blocks * warps_per_block(k));
    }
    const Roofline r = roofline(k);
    const double us = k.launches ? 1e6 / double(k.launches) : 0;
    fprintf(stderr, "   H100 lower bound per launch: %.3f us, bound by %s (", bound(r).seconds * us,
            bound(r).name);
    for (const Resource& x : r) fprintf(stderr, "%s %.3f ", x.name, x.seconds * us);
    fprintf(stderr, "us); emulated in %.3f s\n", k.host_seconds);
}

// ---- as JSON ------------------------------------------------------------------------------------

std::string quoted(const std::string& s) {
    std::string q = "\"";
    for (char c : s) {
        if (c == '"' || c == '\\') q += '\\';
        q += c;
    }
    return q + '"';
}

std::string json(const MemCounters& m, u64 unique) {
    return format(
        "{\"requests\": %llu, \"sectors\": %llu, \"ideal_sectors\": %llu, \"bytes\": %llu, "
        "\"unique_sectors\": %llu, \"unique_bytes\": %llu}",
        ull(m.requests), ull(m.sectors), ull(m.ideal), ull(m.bytes), ull(unique), ull(unique * 32));
}

std::string json(const u32 (&v)[3]) { return format("[%u, %u, %u]", v[0], v[1], v[2]); }

void write_json(std::ostream& f, const KernelStats& k, const int* registers) {
    f << " " << quoted(k.name) << ": {\n";
    f << "  \"launches\": " << k.launches << ", \"grid\": " << json(k.grid)
      << ", \"block\": " << json(k.block) << ", \"static_smem\": " << k.static_smem
      << ", \"max_dynamic_smem\": " << k.max_dyn_smem << ",\n";
    f << "  \"warp_instructions\": " << k.insts << ", \"lane_instructions\": " << k.lanes
      << ", \"divergent_branches\": " << k.divergent << ",\n";
    f << "  \"by_class\": {";
    for (size_t i = 0; i < size_t(Class::Count); i++)
        f << (i ? ", " : "") << quoted(kClassNames[i]) << ": " << k.by_class[i];
    f << "},\n";
    f << "  \"tensor_flops\": " << k.tensor_flops << ", \"fp32_flops\": " << k.fp32_flops << ",\n";
    f << "  \"global_load\": " << json(k.ld, k.unique_ld) << ",\n";
    f << "  \"global_store\": " << json(k.st, k.unique_st) << ",\n";
    f << "  \"shared\": {\"requests\": " << k.smem_requests
      << ", \"wavefronts\": " << k.smem_wavefronts
      << ", \"conflict_wavefronts\": " << k.smem_conflicts << "},\n";
    if (registers)
        f << "  \"registers\": " << *registers
          << ", \"blocks_per_sm\": " << occupancy(k, *registers) << ",\n";
    const Roofline r = roofline(k);
    const double per_launch = k.launches ? 1.0 / double(k.launches) : 0;
    f << "  \"roofline_h100\": {\"bound\": " << quoted(bound(r).name)
      << ", \"seconds_per_launch\": " << bound(r).seconds * per_launch;
    for (const Resource& x : r) f << ", " << quoted(x.name) << ": " << x.seconds * per_launch;
    f << "},\n";
    f << "  \"host_seconds\": " << k.host_seconds << "}";
}

}  // namespace

void report_statistics(const char* path, const std::vector<std::unique_ptr<KernelStats>>& kernels) {
    const std::map<std::string, int> registers = registers_of_kernels();
    auto of = [&](const KernelStats& k) {
        const auto it = registers.find(k.name);
        return it == registers.end() ? nullptr : &it->second;
    };
    if (std::string(path) == "-") {
        for (auto& k : kernels) print(*k, of(*k));
        return;
    }
    std::ofstream file(path);
    file << "{\n";
    for (auto& k : kernels) {
        if (k != kernels.front()) file << ",\n";
        write_json(file, *k, of(*k));
    }
    file << "\n}\n";
}

}  // namespace fovea::cudaemu
