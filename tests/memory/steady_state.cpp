// In the steady state a step takes no memory from the system and touches no new page.
#include <omp.h>

#include <catch2/catch.hpp>
#include <vector>

#include "apps/common/benchmark.h"
#include "apps/common/process_probe.h"
#include "core/allocator.h"

using namespace fovea;
using namespace fovea::apps;

namespace {

constexpr int kSteps = 40;
constexpr int kPagesWarm = 20;  // steps until glibc's small-object heap has its final size

struct Trace {
    std::vector<std::uint64_t> system_allocations, live_bytes;  // after each step
    std::vector<double> faults;                                 // of each step
};

Trace trace_of(BenchmarkSteps& steps, int count = kSteps) {
    Trace trace;
    trace.faults.reserve(static_cast<std::size_t>(count));
    trace.system_allocations.reserve(static_cast<std::size_t>(count));
    trace.live_bytes.reserve(static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i) {
        const std::int64_t before = minor_page_faults();
        steps.run();
        trace.faults.push_back(static_cast<double>(minor_page_faults() - before));
        const AllocatorStats stats = allocator::stats(Device::cpu());
        trace.system_allocations.push_back(stats.system_allocations);
        trace.live_bytes.push_back(stats.live_bytes);
    }
    return trace;
}

BenchmarkSettings settings_of(const std::string& model, bool training) {
    omp_set_num_threads(2);
    BenchmarkSettings settings;
    settings.model = model;
    settings.training = training;
    settings.batch = 32;
    return settings;
}

void check_steady(const BenchmarkSettings& settings) {
    BenchmarkSteps steps(settings);
    const Trace trace = trace_of(steps);
    for (std::size_t i = 2; i < trace.live_bytes.size(); ++i) {
        INFO("step " << i + 1);
        CHECK(trace.system_allocations[i] == trace.system_allocations[1]);
        CHECK(trace.live_bytes[i] == trace.live_bytes[1]);
    }
    const std::vector<double> late(trace.faults.begin() + kPagesWarm, trace.faults.end());
    CHECK(median(late) == 0.0);
}

}  // namespace

TEST_CASE("training of cvt_28 is steady") { check_steady(settings_of("cvt_28", true)); }
TEST_CASE("inference of cvt_28 is steady") { check_steady(settings_of("cvt_28", false)); }
TEST_CASE("training of cvt_tiny is steady") { check_steady(settings_of("cvt_tiny", true)); }
TEST_CASE("inference of cvt_tiny is steady") { check_steady(settings_of("cvt_tiny", false)); }

TEST_CASE("the measures see an allocation, a leak and a page that are new") {
    const AllocatorStats before = allocator::stats(Device::cpu());
    const std::int64_t faults = minor_page_faults();
    // Of a size that no step uses, so no cached block fits.
    const Tensor leak = Tensor::zeros({5, 1234567});
    const AllocatorStats after = allocator::stats(Device::cpu());
    CHECK(after.system_allocations == before.system_allocations + 1);
    CHECK(after.live_bytes >= before.live_bytes + 5 * 1234567 * sizeof(float));
    CHECK(minor_page_faults() > faults);
}

TEST_CASE("a model that is gone leaves nothing alive") {
    const std::uint64_t before = allocator::stats(Device::cpu()).live_bytes;
    {
        BenchmarkSteps steps(settings_of("cvt_tiny", true));
        trace_of(steps, 2);
        CHECK(allocator::stats(Device::cpu()).live_bytes > before);
    }
    CHECK(allocator::stats(Device::cpu()).live_bytes == before);
}
