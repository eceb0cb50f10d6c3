#include "apps/common/benchmark.h"

#include <omp.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <random>

#include "apps/common/process_probe.h"
#include "core/allocator.h"
#include "core/ops/loss.h"
#include "core/ops/matmul.h"
#include "core/tape.h"
#include "optim/clip.h"

namespace fovea::apps {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

Tensor random_images(const Shape& shape, std::uint64_t seed, Device device) {
    const Tensor images = Tensor::empty(shape);
    std::mt19937_64 bits(seed);
    std::normal_distribution<float> normal;
    std::generate_n(images.data<float>(), images.numel(), [&] { return normal(bits); });
    return images.to(device);
}

Tensor round_robin_labels(std::int64_t count, std::int64_t classes, Device device) {
    const Tensor labels = Tensor::empty({count}, DType::I64);
    for (std::int64_t i = 0; i < count; ++i) labels.data<std::int64_t>()[i] = i % classes;
    return labels.to(device);
}

}  // namespace

BenchmarkSteps::BenchmarkSteps(const BenchmarkSettings& settings)
    : training_(settings.training), seed_(settings.seed),
      model_(make_model(settings.model, settings.options)) {
    model_->initialise(seed_);
    move_to(*model_, settings.device, DType::F32);
    const Shape image = model_->input_shape();
    images_ = random_images({settings.batch, image[0], image[1], image[2]}, seed_, settings.device);
    if (!training_) return;
    ParamStoreOptions options;
    options.weight_decay = 0.05;
    store_ = std::make_unique<ParamStore>(*model_, options);
    optimizer_ = std::make_unique<Adam>(*store_, AdamOptions{});
    labels_ = round_robin_labels(settings.batch, model_->classes(), settings.device);
}

double BenchmarkSteps::run() {
    if (training_) return train();
    return model_->forward(images_, Pass{}).slice(0, 0, 1).slice(1, 0, 1).item();
}

double BenchmarkSteps::train() {
    const Pass pass{true, seed_, static_cast<std::uint32_t>(optimizer_->steps())};
    store_->zero_gradients();
    Tape tape;
    const Tensor loss = ops::cross_entropy(model_->forward(images_, pass), labels_);
    const double value = loss.item();
    tape.backward(loss);
    optimizer_->step(*store_, 1e-4, clip_factor(store_->gradient_norm(), 1.0));
    return value;
}

BenchmarkResult benchmark(const BenchmarkSettings& settings) {
    constexpr std::int64_t kAllocatorWarm = 2, kPagesWarm = 20;  // steps
    const std::int64_t resident_before = resident_kib();
    const std::int64_t steps = settings.warmup + settings.iterations;
    std::vector<double> seconds, faults;
    seconds.reserve(static_cast<std::size_t>(steps));
    faults.reserve(static_cast<std::size_t>(steps));

    BenchmarkResult result;
    result.live_bytes_equal = true;
    BenchmarkSteps steady(settings);
    AllocatorStats warm;
    for (std::int64_t step = 1; step <= steps; ++step) {
        const std::int64_t faults_before = minor_page_faults();
        const Clock::time_point start = Clock::now();
        steady.run();
        const double elapsed = seconds_since(start);
        if (step > kPagesWarm)
            faults.push_back(static_cast<double>(minor_page_faults() - faults_before));
        if (step > settings.warmup) seconds.push_back(elapsed);
        if (step == 1) result.first_step_s = process_age();
        const AllocatorStats now = allocator::stats(settings.device);
        if (step == kAllocatorWarm) warm = now;
        if (step > kAllocatorWarm && now.live_bytes != warm.live_bytes)
            result.live_bytes_equal = false;
        result.late_system_allocations =
            step < kAllocatorWarm
                ? 0
                : static_cast<std::int64_t>(now.system_allocations - warm.system_allocations);
    }
    result.peak_mib = static_cast<double>(peak_resident_kib() - resident_before) / 1024.0;

    const Shape image = steady.model().input_shape();
    result.height = image[0];
    result.width = image[1];
    result.channels = image[2];
    result.threads = omp_get_max_threads();
    const auto images = static_cast<double>(settings.batch);
    const auto [fastest, slowest] = std::minmax_element(seconds.begin(), seconds.end());
    result.fastest = images / *fastest;
    result.slowest = images / *slowest;
    result.step_ms = 1e3 * median(seconds);
    result.images_per_second = images / median(seconds);
    result.faults_per_step =
        faults.empty() ? std::numeric_limits<double>::quiet_NaN() : median(faults);
    result.gmacs = 1e-9 * static_cast<double>(steady.model().macs()) * (settings.training ? 3 : 1);
    result.parameters = static_cast<double>(parameter_count(steady.model()));
    result.sgemm_gflops = sgemm_ceiling(settings.device);
    return result;
}

double sgemm_ceiling(Device device) {
    constexpr std::int64_t kSide = 2048;
    constexpr int kTries = 7;
    const Tensor a = random_images({kSide, kSide}, 1, device);
    const Tensor b = random_images({kSide, kSide}, 2, device);
    double best = std::numeric_limits<double>::infinity();
    for (int i = 0; i < kTries; ++i) {
        const Clock::time_point start = Clock::now();
        ops::matmul(a, b).slice(0, 0, 1).slice(1, 0, 1).item();  // item() waits for the device
        best = std::min(best, seconds_since(start));
    }
    return 2e-9 * static_cast<double>(kSide * kSide * kSide) / best;
}

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    const std::size_t n = values.size();
    return n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2.0;
}

}  // namespace fovea::apps
