// What a run ran on: for env.json, the report and bug reports.
//
//     run.write_env(env_json({.command = flags->command, .device = "cpu", .threads = 2,
//                             .dataset = "idx", .dataset_hash = "1f2e..."}));
//     progress.mem_mib = resident_mib();
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace fovea::apps {

/// What only the program knows.
struct EnvContext {
    std::vector<std::string> command = {};  ///< argv
    std::string device = {};
    std::int64_t threads = 0;
    std::string dataset = {}, dataset_hash = {};
    std::string config_hash = {};
};

/// JSON of the version, git, compiler, CPU and its flags, memory, system, and the context.
std::string env_json(const EnvContext& context);

/// "fovea 0.1.0 (git 1a2b3c, g++ 12.2.0, Release)", as --version prints it.
std::string version_line();

/// "Intel(R) Xeon(R) ... " from /proc/cpuinfo, or "unknown CPU".
std::string cpu_name();

/// Memory of this process now and at its peak, MiB.
std::int64_t resident_mib();
std::int64_t peak_resident_mib();

}  // namespace fovea::apps
