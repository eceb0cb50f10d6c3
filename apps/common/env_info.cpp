#include "apps/common/env_info.h"

#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "core/build_info.h"

namespace fovea::apps {
namespace {

/// The first value of a line "name : value" in a /proc file.
std::string proc_value(const char* file, const std::string& name) {
    std::ifstream in(file);
    std::string line;
    while (std::getline(in, line)) {
        if (line.rfind(name, 0) != 0) continue;
        const auto first = line.find_first_not_of(" \t", line.find(':') + 1);
        return first == std::string::npos ? std::string{} : line.substr(first);
    }
    return {};
}

/// The instruction sets that kernels choose between, out of the CPU's long list.
std::vector<std::string> vector_flags() {
    const std::string all = " " + proc_value("/proc/cpuinfo", "flags") + " ";
    std::vector<std::string> found;
    for (const char* flag : {"sse4_2", "avx", "fma", "avx2", "avx512f", "avx512bw", "avx512vl",
                             "avx512_vnni", "avx512_bf16", "amx_tile", "amx_bf16"}) {
        if (all.find(std::string(" ") + flag + " ") != std::string::npos) found.emplace_back(flag);
    }
    return found;
}

}  // namespace

std::string cpu_name() {
    const std::string name = proc_value("/proc/cpuinfo", "model name");
    return name.empty() ? "unknown CPU" : name;
}

std::string version_line() {
    const BuildInfo& build = build_info();
    return "fovea " + std::string(build.version) + " (git " + std::string(build.git) + ", " +
           std::string(build.compiler) + ", " + std::string(build.build_type) + ")";
}

std::int64_t resident_mib() {
    std::ifstream in("/proc/self/statm");
    std::int64_t total = 0, resident = 0;  // pages
    in >> total >> resident;
    return resident * sysconf(_SC_PAGESIZE) / (1 << 20);
}

std::int64_t peak_resident_mib() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss / 1024;  // Linux counts KiB
}

std::string env_json(const EnvContext& context) {
    const BuildInfo& build = build_info();
    utsname system{};
    uname(&system);
    nlohmann::ordered_json json;
    json["version"] = build.version;
    json["git"] = build.git;
    json["compiler"] = build.compiler;
    json["compiler_flags"] = build.flags;
    json["build_type"] = build.build_type;
    json["system"] = std::string(system.sysname) + " " + system.release + " " + system.machine;
    json["cpu"] = cpu_name();
    json["cpu_flags"] = vector_flags();
    json["cpu_cores"] = std::thread::hardware_concurrency();
    json["memory_mib"] =
        static_cast<std::int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE) / (1 << 20);
    json["device"] = context.device;
    json["threads"] = context.threads;
    json["dataset"] = context.dataset;
    json["dataset_hash"] = context.dataset_hash;
    json["config_hash"] = context.config_hash;
    json["command"] = context.command;
    // Arguments may be any bytes; what is no UTF-8 is replaced.
    return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace fovea::apps
