// Measures kernels: time and share of peak; in the CUDA emulator memory traffic and bank conflicts.
#include <fnmatch.h>

#include <cstdio>
#include <optional>

#include <fmt/format.h>

#include "apps/common/benchmark.h"
#include "apps/common/device.h"
#include "apps/common/env_info.h"
#include "apps/common/experiment.h"
#include "apps/common/flags.h"
#include "apps/common/kernel_counters.h"
#include "apps/common/kernel_targets.h"
#include "apps/common/kernel_timing.h"
#include "apps/common/run_app.h"
#include "apps/common/table_report.h"
#include "core/error.h"
#include "core/tape.h"
#include "kernels/include/gemm_engine.h"
#include "kernels/include/gpu.h"
#include "tests/cases/large.h"

namespace {

using namespace fovea;
using namespace fovea::apps;
using tests::Case;
using tests::LargeCase;

// ---- what is measured ----------------------------------------------------------------------------

/// A case in one dtype, with what is known of its passes.
struct Job {
    const Case* row;
    const LargeCase* large;  ///< null: a case of the table
    DType dtype;

    bool has_backward() const {
        for (const tests::Input& input : row->inputs)
            if (input.differentiable) return true;
        return false;
    }
    /// Compulsory bytes; 0: unknown.
    double bytes(bool backward) const {
        if (large != nullptr) return (backward ? large->backward : large->forward).in(dtype);
        return backward ? 0.0 : row->bytes / 4.0 * static_cast<double>(size_of(dtype));
    }
    double flops(bool backward) const {
        if (!backward) return row->flops;
        return large != nullptr ? large->backward_flops : 0.0;
    }
};

bool matches(const std::string& name, const std::vector<std::string>& globs) {
    for (const std::string& glob : globs)
        if (fnmatch(glob.c_str(), name.c_str(), 0) == 0) return true;
    return globs.empty();
}

std::vector<Job> jobs_of(const Flags& flags, Device device) {
    std::vector<DType> dtypes = {DType::F32, DType::BF16};
    if (device.type != DeviceType::CUDA || flags.text("--dtype") == "f32") dtypes = {DType::F32};
    if (flags.text("--dtype") == "bf16") dtypes = {DType::BF16};
    std::vector<Job> jobs;
    const auto add = [&](const Case& c, const LargeCase* large) {
        if (!matches(c.name, flags.all("GLOB"))) return;
        for (const DType dtype : dtypes)
            if (dtype == DType::F32 || tests::has_bf16_form(c)) jobs.push_back({&c, large, dtype});
    };
    if (flags.on("--large"))
        for (const LargeCase& c : tests::large_cases()) add(c.row, &c);
    else
        for (const Case& c : tests::all_cases()) add(c, nullptr);
    if (jobs.empty())
        throw Error("C04", "no case matches", "GLOB", "'layer_norm*', or --large 'conv2d*'");
    return jobs;
}

/// The inputs of a job, and its passes over them.
class Passes {
public:
    Passes(const Job& job, Device device)
        : job_(job), inputs_(tests::make_inputs(*job.row, device, {job.dtype, false, false})) {
        if (job.large != nullptr && job.large->prepare) job.large->prepare(inputs_);
    }

    void forward() {
        tape_.emplace();
        output_ = job_.row->build(inputs_);
    }
    /// Makes the gradient that backward starts from; false: nothing to do.
    bool prepare_backward() {
        if (!output_.requires_grad()) return false;
        if (!seed_.defined())
            seed_ = tests::make_seed(*job_.row, output_, job_.dtype == DType::BF16);
        return true;
    }
    void backward() { tape_->backward_from(output_, seed_); }
    void forget() {
        for (const Tensor& input : inputs_)
            if (input.requires_grad()) input.clear_grad();
        output_ = Tensor();
        tape_.reset();
    }

private:
    const Job& job_;
    std::vector<Tensor> inputs_;
    std::optional<Tape> tape_;
    Tensor output_, seed_;
};

const char* spell_dtype(DType dtype) { return dtype == DType::BF16 ? "bf16" : "f32"; }
const char* pass_name(bool backward) { return backward ? "backward" : "forward"; }

// ---- rows of the report --------------------------------------------------------------------------

std::string fixed(double value, int digits) { return fmt::format("{:.{}f}", value, digits); }
/// Empty where there is nothing to say.
std::string fixed_or_gap(double value, int digits) {
    return value > 0.0 ? fixed(value, digits) : "";
}

TableRow first_columns(const Job& job, bool backward) {
    return {{"case", job.row->name, -58},
            {"dtype", spell_dtype(job.dtype), -5},
            {"pass", pass_name(backward), -8}};
}

void append(TableRow& row, const TableRow& more) {
    row.insert(row.end(), more.begin(), more.end());
}

// ---- by the clock --------------------------------------------------------------------------------

/// Products of matrices have two engines on a GPU; everything else has one.
std::vector<std::pair<std::string, gpu::GemmEngine>> engines_of(const Case& c, Device device) {
    const bool product = c.op == "linear" || c.op == "activated_linear" || c.op == "matmul";
    if (!product || device.type != DeviceType::CUDA) return {{"", gpu::gemm_engine()}};
    return {{"cublaslt", gpu::GemmEngine::CublasLt}, {"tiled", gpu::GemmEngine::Tiled}};
}

void time_job(const Job& job, Device device, const Flags& flags, TableReport& report) {
    const std::int64_t warmup = flags.integer("--warmup"), iterations = flags.integer("--iters");
    KernelClock clock(device);
    Passes passes(job, device);
    for (const auto& [engine_name, engine] : engines_of(*job.row, device)) {
        if (device.type == DeviceType::CUDA) gpu::set_gemm_engine(engine);
        std::vector<double> seconds[2];
        for (std::int64_t i = 0; i < warmup + iterations; ++i) {
            const double forward = clock.seconds([&] { passes.forward(); });
            if (i >= warmup) seconds[0].push_back(forward);
            if (passes.prepare_backward()) {
                const double backward = clock.seconds([&] { passes.backward(); });
                if (i >= warmup) seconds[1].push_back(backward);
            }
            passes.forget();
        }
        for (const bool backward : {false, true}) {
            if (seconds[backward].empty()) continue;
            const double s = median(seconds[backward]), bytes = job.bytes(backward),
                         flops = job.flops(backward);
            TableRow row = first_columns(job, backward);
            append(
                row,
                {{"engine", engine_name, -9},
                 {"us", fixed(1e6 * s, 2), 10},
                 {"GB/s", fixed_or_gap(1e-9 * bytes / s, 1), 8},
                 {"TFLOP/s", fixed_or_gap(1e-12 * flops / s, 3), 8},
                 {"% of peak",
                  fixed_or_gap(
                      100.0 * roofline_seconds(peaks_of(device, job.dtype), bytes, flops) / s, 1),
                  9}});
            report.add(row);
        }
    }
    if (device.type == DeviceType::CUDA) gpu::set_gemm_engine(gpu::GemmEngine::Auto);
}

// ---- by the emulator's counters ------------------------------------------------------------------

/// What a counting child does: everything up to the end of one pass.
int run_up_to(const std::string& pass, const Job& job, Device device) {
    Passes passes(job, device);
    if (pass != "none") passes.forward();
    if (pass == "backward" && passes.prepare_backward()) passes.backward();
    gpu::synchronise(Tensor::empty({1}, DType::F32, device).stream());
    return 0;
}

std::vector<KernelCounters> counted_up_to(const std::string& pass, const Job& job,
                                          const Flags& flags) {
    std::vector<std::string> arguments = {job.row->name, "--dtype", spell_dtype(job.dtype),
                                          "--up-to", pass};
    if (flags.on("--large")) arguments.emplace_back("--large");
    return count_kernels(arguments);
}

/// A line for each target that is missed without an exception.
std::vector<std::string> count_job(const Job& job, const Flags& flags, TableReport& report,
                                   TrafficExceptions& exceptions) {
    std::vector<std::string> failures;
    std::vector<KernelCounters> before = counted_up_to("none", job, flags);
    for (const bool backward : {false, true}) {
        if (backward && !job.has_backward()) break;
        std::vector<KernelCounters> after = counted_up_to(pass_name(backward), job, flags);
        const std::vector<KernelCounters> kernels = difference(after, before);
        before = std::move(after);
        const KernelCounters all = sum(kernels);
        const double bytes = job.bytes(backward);
        std::string missed;
        if (job.large != nullptr)
            for (const TrafficMiss& miss :
                 misses_of(job.row->name, pass_name(backward), bytes, kernels)) {
                const std::string text =
                    miss.kernel + " " + miss.target + " " + fmt::format("{:.4g}", miss.measured);
                missed += (missed.empty() ? "" : "; ") + text;
                if (exceptions.reason(miss).empty())
                    failures.push_back(miss.case_name + ", " + spell_dtype(job.dtype) + ": " +
                                       text);
            }
        double seconds = 0.0;
        for (const double s : all.seconds) seconds += s;
        TableRow row = first_columns(job, backward);
        append(row, {{"launches", fixed(all.launches, 0), 8},
                     {"MB", fixed(1e-6 * bytes, 3), 8},
                     {"moved", bytes > 0.0 ? fixed(all.bytes / bytes, 3) : "", 7},
                     {"sectors",
                      all.ideal_sectors > 0.0 ? fixed(all.sectors / all.ideal_sectors, 3) : "", 7},
                     {"conflicts", fixed(all.conflicts, 0), 9},
                     {"H100 us", fixed(1e6 * seconds, 2), 8},
                     {"limit", all.limit(), -6},
                     {"misses", missed, missed.empty() ? -1 : -40}});
        report.add(row);
    }
    return failures;
}

int count_all(const std::vector<Job>& jobs, const Flags& flags, TableReport& report) {
    const bool check = flags.given("--check");
    TrafficExceptions exceptions;
    if (check) exceptions = TrafficExceptions(flags.text("--check"));
    std::vector<std::string> failures;
    for (const Job& job : jobs) {
        const std::vector<std::string> more = count_job(job, flags, report, exceptions);
        failures.insert(failures.end(), more.begin(), more.end());
    }
    if (!check) return 0;
    // An exception that nothing needs any more would hide the next miss.
    if (flags.all("GLOB").empty() && !flags.given("--dtype"))
        for (const std::string& row : exceptions.unused())
            failures.push_back("exception without a miss: " + row);
    for (const std::string& failure : failures) std::fprintf(stderr, "%s\n", failure.c_str());
    return failures.empty() ? 0 : 1;
}

// ---- the program ---------------------------------------------------------------------------------

int benchmark_kernels(const Flags& flags) {
    const Device device = device_of(flags.device);
    const std::vector<Job> jobs = jobs_of(flags, device);
    if (flags.given("--up-to")) return run_up_to(flags.text("--up-to"), jobs.front(), device);

    const std::int64_t threads = use_threads(flags.threads);
    const bool counting = device.type == DeviceType::CUDA && in_emulator();
    if (flags.given("--check") && !(counting && flags.on("--large")))
        throw Error("C11", "--check needs --large and the CUDA emulator", "--check",
                    "it is the test cuda_traffic: ./fovea test -R cuda_traffic");
    if (!flags.quiet && !flags.json)
        std::printf("%s\n%s\n%s\n\n", version_line().c_str(),
                    describe_device(flags.device, threads).c_str(),
                    counting
                        ? "moved: multiple of the compulsory MB; sectors: of the ideal number; "
                          "H100: its lower bound"
                        : "median over the runs; backward of the table's cases by time alone");
    TableReport report(flags);
    int status = 0;
    if (counting)
        status = count_all(jobs, flags, report);
    else
        for (const Job& job : jobs) time_job(job, device, flags, report);
    report.finish();
    return status;
}

}  // namespace

int main(int argc, char** argv) {
    return run_app([&] {
        AppSpec app;
        app.name = "benchmark_kernels";
        app.summary = "Measure kernels: time and share of peak, or in the emulator their traffic.";
        app.positionals = {
            {"GLOB", "names of cases, * and ? allowed; all without one", Arity::Any}};
        app.own_flags = {
            {"--large", "", "the cases at training's sizes; else those of the test table", ""},
            {"--dtype", "f32|bf16|both", "both on a GPU, f32 on a CPU", "both"},
            {"--iters", "N", "runs that are measured", "20"},
            {"--warmup", "N", "runs before them", "5"},
            {"--csv", "FILE", "write the table", ""},
            {"--check", "FILE",
             "in the emulator, with --large: exit with 1 if a traffic target is missed that FILE "
             "does not except",
             ""},
            {"--up-to", "none|forward|backward",
             "run one case once, up to the end of that pass, and print nothing", ""}};
        app.examples = {"benchmark_kernels --large", "benchmark_kernels 'layer_norm*' --dtype f32",
                        "benchmark_kernels --large 'conv2d*' --csv conv.csv"};
        const std::optional<Flags> flags = parse_flags(argc, argv, app);
        return flags ? benchmark_kernels(*flags) : 0;
    });
}
