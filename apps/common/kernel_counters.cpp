#include "apps/common/kernel_counters.h"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "kernels/include/gpu.h"

namespace fovea::apps {
namespace {

constexpr const char* kOwnVariables[] = {
    "CUDAEMU_CHECK=",          "CUDAEMU_CHECK_FATAL=", "CUDAEMU_SEED=", "CUDAEMU_LAZY=",
    "CUDAEMU_SHUFFLE_BLOCKS=", "CUDAEMU_STATS=",       "FOVEA_GEMM="};

/// This process's environment for a counting child.
std::vector<std::string> child_environment(const std::string& statistics) {
    std::vector<std::string> variables = {"CUDAEMU_STATS=" + statistics, "FOVEA_GEMM=tiled"};
    for (char** v = environ; *v != nullptr; ++v) {
        const std::string variable = *v;
        const bool own =
            std::any_of(std::begin(kOwnVariables), std::end(kOwnVariables),
                        [&](const char* prefix) { return variable.rfind(prefix, 0) == 0; });
        if (!own) variables.push_back(variable);
    }
    return variables;
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
    std::vector<char*> out;
    for (std::string& s : strings) out.push_back(s.data());
    out.push_back(nullptr);
    return out;
}

void run_self(std::vector<std::string> arguments, const std::string& statistics) {
    const std::string self = std::filesystem::read_symlink("/proc/self/exe").string();
    arguments.insert(arguments.begin(), self);
    std::vector<std::string> environment = child_environment(statistics);
    pid_t child = 0;
    const int failure = posix_spawn(&child, self.c_str(), nullptr, nullptr,
                                    pointers(arguments).data(), pointers(environment).data());
    if (failure != 0)
        throw Error("B01", std::string("cannot start ") + self + ": " + std::strerror(failure));
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        throw Error("B01", "the counting process failed (its own words are above)");
}

/// A file name that nothing else has; removed at the end.
struct TemporaryFile {
    std::string path = (std::filesystem::temp_directory_path() / "fovea_kernels_XXXXXX").string();

    TemporaryFile() {
        const int fd = mkstemp(path.data());
        if (fd < 0) throw Error("F01", "cannot make a file", path, "set TMPDIR");
        close(fd);
    }
    ~TemporaryFile() { unlink(path.c_str()); }
    TemporaryFile(const TemporaryFile&) = delete;
    TemporaryFile& operator=(const TemporaryFile&) = delete;
};

/// "void fovea::kernels::cuda::(anonymous namespace)::rows<float, 4>(float*)" -> "rows"
std::string short_name(std::string name) {
    const std::string anonymous = "(anonymous namespace)::";
    for (std::size_t at; (at = name.find(anonymous)) != std::string::npos;)
        name.erase(at, anonymous.size());
    name = name.substr(0, name.find_first_of("<("));
    const std::size_t begin = name.find_last_of(": ");
    return begin == std::string::npos ? name : name.substr(begin + 1);
}

KernelCounters counters_of(const std::string& name, const nlohmann::json& j) {
    KernelCounters k;
    k.kernel = short_name(name);
    k.launches = j.at("launches");
    for (const char* direction : {"global_load", "global_store"}) {
        const nlohmann::json& memory = j.at(direction);
        k.bytes += memory.at("unique_bytes").get<double>();
        k.sectors += memory.at("sectors").get<double>();
        k.ideal_sectors += memory.at("ideal_sectors").get<double>();
    }
    k.conflicts = j.at("shared").at("conflict_wavefronts");
    for (std::size_t i = 0; i < k.seconds.size(); ++i)
        k.seconds[i] =
            k.launches * j.at("roofline_h100").at(KernelCounters::resources[i]).get<double>();
    return k;
}

void add(KernelCounters& to, const KernelCounters& k, double sign) {
    to.launches += sign * k.launches;
    to.bytes += sign * k.bytes;
    to.sectors += sign * k.sectors;
    to.ideal_sectors += sign * k.ideal_sectors;
    to.conflicts += sign * k.conflicts;
    for (std::size_t i = 0; i < to.seconds.size(); ++i) to.seconds[i] += sign * k.seconds[i];
}

KernelCounters& entry(std::vector<KernelCounters>& kernels, const std::string& name) {
    const auto found = std::find_if(kernels.begin(), kernels.end(),
                                    [&](const KernelCounters& k) { return k.kernel == name; });
    if (found != kernels.end()) return *found;
    kernels.emplace_back().kernel = name;
    return kernels.back();
}

std::size_t largest(const std::array<double, 6>& seconds) {
    return static_cast<std::size_t>(std::max_element(seconds.begin(), seconds.end()) -
                                    seconds.begin());
}

}  // namespace

bool in_emulator() {
    return gpu::count() > 0 && gpu::properties(0).name.find("cudaemu") != std::string::npos;
}

double KernelCounters::bound() const { return seconds[largest(seconds)]; }
const char* KernelCounters::limit() const { return resources[largest(seconds)]; }

std::vector<KernelCounters> count_kernels(const std::vector<std::string>& arguments) {
    const TemporaryFile statistics;
    run_self(arguments, statistics.path);
    std::ifstream file(statistics.path);
    const nlohmann::json j = nlohmann::json::parse(file, nullptr, false);
    std::vector<KernelCounters> kernels;
    if (j.is_object())  // a process without a launch leaves the file empty
        for (const auto& [name, values] : j.items()) {
            const KernelCounters k = counters_of(name, values);
            add(entry(kernels, k.kernel), k, 1.0);
        }
    return kernels;
}

std::vector<KernelCounters> difference(std::vector<KernelCounters> more,
                                       const std::vector<KernelCounters>& less) {
    for (const KernelCounters& k : less) add(entry(more, k.kernel), k, -1.0);
    std::erase_if(more, [](const KernelCounters& k) { return k.launches == 0.0; });
    return more;
}

KernelCounters sum(const std::vector<KernelCounters>& kernels) {
    KernelCounters total;
    for (const KernelCounters& k : kernels) {
        const std::array<double, 6> others = total.seconds;
        add(total, k, 1.0);
        total.seconds = others;
        total.seconds[largest(k.seconds)] += k.bound();
    }
    return total;
}

}  // namespace fovea::apps
