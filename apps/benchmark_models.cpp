// Measures models on fixed random images: images per second, memory, share of the machine's ceiling.
#include <cstdio>

#include "apps/common/benchmark_report.h"
#include "apps/common/env_info.h"
#include "apps/common/experiment.h"
#include "apps/common/flags.h"
#include "apps/common/isolated.h"
#include "apps/common/model_globs.h"
#include "apps/common/process_probe.h"
#include "apps/common/run_app.h"
#include "core/error.h"
#include "core/serialize/atomic_file.h"

namespace {

using namespace fovea;
using namespace fovea::apps;

std::int64_t at_least(std::int64_t least, const Flags& flags, const std::string& name) {
    const std::int64_t value = flags.integer(name);
    if (value < least)
        throw Error("C04", name + " must be at least " + std::to_string(least), name,
                    name + " " + std::to_string(least));
    return value;
}

/// All but the device: CUDA must not be touched before the process forks.
BenchmarkSettings settings_of(const Flags& flags) {
    BenchmarkSettings settings;
    settings.training = flags.on("--train");
    settings.batch = at_least(1, flags, "--batch");
    settings.iterations = at_least(1, flags, "--iters");
    settings.warmup = at_least(0, flags, "--warmup");
    settings.options.height = settings.options.width = at_least(0, flags, "--img-size");
    settings.options.in_channels = at_least(0, flags, "--in-chans");
    settings.options.num_classes = at_least(0, flags, "--classes");
    settings.seed = static_cast<std::uint64_t>(flags.seed);
    return settings;
}

int benchmark_models(const Flags& flags) {
    BenchmarkSettings settings = settings_of(flags);
    const std::vector<std::string> names = models_matching(flags.all("GLOB"));
    if (flags.given("--dump")) {
        if (names.size() > 1) throw Error("C04", "--dump takes one model", "GLOB", names.front());
        settings.model = names.front();
        settings.device = device_of(flags.device);
        use_threads(flags.threads);
        dump_for_comparison(settings, flags.text("--dump"));
        return 0;
    }
    const bool table = !flags.json && !flags.quiet;
    if (table) {
        std::printf("%s\n%s, median of %lld steps after %lld\n\n%s\n", version_line().c_str(),
                    cpu_name().c_str(), static_cast<long long>(settings.iterations),
                    static_cast<long long>(settings.warmup), benchmark_heading().c_str());
    }
    const double start_up = process_age();  // a child's own age begins when it is forked
    std::vector<BenchmarkRow> rows;
    for (const std::string& name : names) {
        settings.model = name;
        BenchmarkRow row{settings, {}};
        const int failure = in_child(
            [&] {
                settings.device = device_of(flags.device);
                use_threads(flags.threads);
                return benchmark(settings);
            },
            row.result);
        if (failure != 0) return failure;
        row.result.first_step_s += start_up;
        rows.push_back(row);
        if (table) std::printf("%s\n", benchmark_line(row).c_str());
    }
    if (flags.json) std::printf("%s", benchmark_json(rows).c_str());
    if (flags.given("--csv")) write_text_atomically(flags.text("--csv"), benchmark_csv(rows));
    if (table)
        std::printf(
            "\n%lld threads; sgemm %.0f GFLOP/s (2048^3, best of several); peak: resident "
            "memory above the process at its start\n",
            static_cast<long long>(rows.back().result.threads), rows.back().result.sgemm_gflops);
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    return run_app([&] {
        AppSpec app;
        app.name = "benchmark_models";
        app.summary = "Measure models: images per second, memory, share of the machine's ceiling.";
        app.positionals = {{"GLOB", "model names, * and ? allowed; all without one", Arity::Any}};
        app.own_flags = {
            {"--train", "", "training steps (forward, loss, backward, clip, AdamW); else inference",
             ""},
            {"--batch", "N", "images a step", "128"},
            {"--iters", "N", "steps that are measured", "40"},
            {"--warmup", "N", "steps before them", "10"},
            {"--img-size", "N", "side of the images; 0 = the model's own", "0"},
            {"--in-chans", "N", "channels of the images; 0 = the model's own", "0"},
            {"--classes", "N", "classes; 0 = the model's own", "0"},
            {"--csv", "FILE", "write a table with timm's columns", ""},
            {"--dump", "FILE",
             "instead of measuring, write weights, images, logits and losses (safetensors)", ""}};
        app.examples = {"benchmark_models cvt_28 --train --threads 2",
                        "benchmark_models 'cvt*' --batch 32 --csv infer.csv"};
        const std::optional<Flags> flags = parse_flags(argc, argv, app);
        return flags ? benchmark_models(*flags) : 0;
    });
}
