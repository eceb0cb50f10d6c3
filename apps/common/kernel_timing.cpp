#include "apps/common/kernel_timing.h"

#include <algorithm>
#include <chrono>

#include "kernels/include/gpu.h"

namespace fovea::apps {
namespace {

/// Operations a clock of one multiprocessor (NVIDIA's architecture white papers); an FMA counts two.
struct PerClock {
    int major, minor;
    double bf16, f32;
};
constexpr PerClock per_clock[] = {
    {8, 0, 2048, 128}, {8, 6, 512, 256}, {8, 9, 1024, 256}, {9, 0, 4096, 256}};

}  // namespace

Peaks peaks_of(Device device, DType dtype) {
    Peaks peaks;
    if (device.type != DeviceType::CUDA) return peaks;
    const gpu::Properties p = gpu::properties(device.index);
    peaks.bytes_per_second = p.memory_bandwidth;
    for (const PerClock& rate : per_clock)
        if (rate.major == p.major && rate.minor == p.minor)
            peaks.flops_per_second =
                (dtype == DType::BF16 ? rate.bf16 : rate.f32) * p.multiprocessors * p.clock_hz;
    return peaks;
}

double roofline_seconds(const Peaks& peaks, double bytes, double flops) {
    double seconds = 0.0;
    if (peaks.bytes_per_second > 0.0) seconds = bytes / peaks.bytes_per_second;
    if (peaks.flops_per_second > 0.0) seconds = std::max(seconds, flops / peaks.flops_per_second);
    return seconds;
}

KernelClock::KernelClock(Device device) : device_(device) {
    if (device.type != DeviceType::CUDA) return;
    const auto cache = static_cast<std::int64_t>(gpu::properties(device.index).l2_bytes);
    flush_ = Tensor::empty({2 * std::max<std::int64_t>(cache, 1)}, DType::U8, device);
}

double KernelClock::seconds(const std::function<void()>& work) {
    if (device_.type != DeviceType::CUDA) {
        const auto start = std::chrono::steady_clock::now();
        work();
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    }
    const Stream stream = flush_.stream();
    gpu::Event start(device_.index, true), end(device_.index, true);
    // The flush takes longer than the host needs to launch `work`, so the kernels follow each other.
    gpu::set_bytes(stream, flush_.data(), 0, static_cast<std::size_t>(flush_.numel()));
    start.record(stream);
    work();
    end.record(stream);
    end.wait();
    return 1e-3 * end.milliseconds_since(start);
}

}  // namespace fovea::apps
