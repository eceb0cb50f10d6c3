// Says what this machine and this build have, and tests every device in seconds.
#include <omp.h>
#include <unistd.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "apps/common/device.h"
#include "apps/common/env_info.h"
#include "apps/common/experiment.h"
#include "apps/common/flags.h"
#include "apps/common/run_app.h"
#include "apps/common/self_test.h"
#include "kernels/include/gpu.h"

namespace {

using namespace fovea;
using namespace fovea::apps;

using Json = nlohmann::ordered_json;

/// What was found: at once in lines for people, or with --json at the end.
struct Findings {
    bool json;
    Json all = {};

    void line(const char* what, const std::string& text) const {
        if (!json) std::printf("%-10s%s\n", what, text.c_str());
    }
    void fact(const char* key, const char* what, const std::string& text) {
        all[key] = text;
        line(what, text);
    }
};

/// Runs the self-test and says how it went.
bool passes(Findings& findings, const std::string& name, Device device, DType dtype) {
    const SelfTest test = self_test(device, dtype);
    const char* const type = dtype == DType::BF16 ? "bf16" : "fp32";
    findings.all["self_tests"].push_back({{"device", name},
                                          {"dtype", type},
                                          {"ok", test.ok},
                                          {"error", test.error},
                                          {"allowed", test.bound},
                                          {"seconds", test.seconds},
                                          {"worst", test.worst}});
    char text[200];
    std::snprintf(text, sizeof text, "%s %s: %s, error %.1e (allowed %.0e), %.2f s%s%s",
                  name.c_str(), type, test.ok ? "ok" : "FAILED", test.error, test.bound,
                  test.seconds, test.ok ? "" : "; worst: ", test.ok ? "" : test.worst.c_str());
    findings.line("self-test", text);
    return test.ok;
}

int doctor(const Flags& flags) {
    use_threads(flags.threads);
    Findings found{flags.json};
    found.fact("program", "program", version_line());
    const int threads = omp_get_max_threads();
    found.all["cpu"] = cpu_name();
    found.all["threads"] = threads;
    found.line("cpu", cpu_name() + ", " + std::to_string(threads) + " threads");
    const std::int64_t mib =
        static_cast<std::int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE) / (1 << 20);
    found.all["memory_mib"] = mib;
    found.line("memory", std::to_string(mib) + " MiB");
    if (gpu::architectures().empty()) {
        found.fact("cuda", "cuda", gpu::obstacle());
    } else {
        found.fact("cuda", "cuda", "compiled for " + gpu::architectures());
        found.fact("cuda_versions", "", gpu::versions());
    }
    bool well = passes(found, "cpu", Device::cpu(), DType::F32);
    found.all["gpus"] = Json::array();
    const auto add_gpu = [&](const std::string& text) {
        found.all["gpus"].push_back(text);
        found.line("gpu", text);
    };
    if (gpu::count() == 0 && !gpu::architectures().empty()) found.line("gpu", gpu::obstacle());
    for (int i = 0; i < gpu::count(); ++i) {
        const std::string name = "cuda:" + std::to_string(i), obstacle = gpu::obstacle(i);
        if (!obstacle.empty()) {
            std::string text = name;
            text += ": " + obstacle;
            add_gpu(text);
            continue;
        }
        add_gpu(describe_device(name, 0));
        well = passes(found, name, Device::cuda(i), DType::F32) && well;
        well = passes(found, name, Device::cuda(i), DType::BF16) && well;
    }
    found.all["ok"] = well;
    if (flags.json)
        std::printf("%s\n", found.all.dump(2, ' ', false, Json::error_handler_t::replace).c_str());
    return well ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    return run_app([&] {
        AppSpec app;
        app.name = "doctor";
        app.computes = false;
        app.summary = "Say what this machine and this build have; test every device in seconds.";
        app.examples = {"doctor"};
        const std::optional<Flags> flags = parse_flags(argc, argv, app);
        return flags ? doctor(*flags) : 0;
    });
}
