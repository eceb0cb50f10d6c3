// Says what this machine and this build have, and tests every device in seconds.
#include <omp.h>
#include <unistd.h>

#include <cstdio>

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

void say(const char* what, const std::string& text) {
    std::printf("%-10s%s\n", what, text.c_str());
}

/// Runs the self-test and says how it went.
bool passes(const std::string& name, Device device, DType dtype) {
    const SelfTest test = self_test(device, dtype);
    char text[200];
    std::snprintf(text, sizeof text, "%s %s: %s, error %.1e (allowed %.0e), %.2f s%s%s",
                  name.c_str(), dtype == DType::BF16 ? "bf16" : "fp32", test.ok ? "ok" : "FAILED",
                  test.error, test.bound, test.seconds,
                  test.ok ? "" : "; worst: ", test.ok ? "" : test.worst.c_str());
    say("self-test", text);
    return test.ok;
}

int doctor(const Flags& flags) {
    use_threads(flags.threads);
    say("program", version_line());
    say("cpu", cpu_name() + ", " + std::to_string(omp_get_max_threads()) + " threads");
    say("memory", std::to_string(static_cast<std::int64_t>(sysconf(_SC_PHYS_PAGES)) *
                                 sysconf(_SC_PAGESIZE) / (1 << 20)) +
                      " MiB");
    if (gpu::architectures().empty()) {
        say("cuda", gpu::obstacle());
    } else {
        say("cuda", "compiled for " + gpu::architectures());
        say("", gpu::versions());
    }
    bool well = passes("cpu", Device::cpu(), DType::F32);
    if (gpu::count() == 0 && !gpu::architectures().empty()) say("gpu", gpu::obstacle());
    for (int i = 0; i < gpu::count(); ++i) {
        const std::string name = "cuda:" + std::to_string(i), obstacle = gpu::obstacle(i);
        if (!obstacle.empty()) {
            std::string text = name;
            text += ": " + obstacle;
            say("gpu", text);
            continue;
        }
        say("gpu", describe_device(name, 0));
        well = passes(name, Device::cuda(i), DType::F32) && well;
        well = passes(name, Device::cuda(i), DType::BF16) && well;
    }
    return well ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    return run_app([&] {
        AppSpec app;
        app.name = "doctor";
        app.summary = "Say what this machine and this build have; test every device in seconds.";
        app.examples = {"doctor"};
        const std::optional<Flags> flags = parse_flags(argc, argv, app);
        return flags ? doctor(*flags) : 0;
    });
}
