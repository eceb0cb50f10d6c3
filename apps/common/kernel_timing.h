// How long kernels take, and how long they must take at least.
//
//     KernelClock clock(device);
//     double seconds = clock.seconds([&] { run_the_kernels(); });   // caches cold, on a GPU by events
//     double share = roofline_seconds(peaks_of(device, dtype), bytes, flops) / seconds;
#pragma once

#include <functional>

#include "core/tensor.h"

namespace fovea::apps {

/// What a device can do at most; 0: unknown.
struct Peaks {
    double bytes_per_second = 0.0;
    double flops_per_second = 0.0;  ///< of matrix products: tensor cores in BF16, FMA units in F32
};

/// From the device's properties. Unknown on a CPU and on architectures without a figure here.
Peaks peaks_of(Device device, DType dtype);

/// The longer of the two times that the traffic and the arithmetic need; 0 where nothing is known.
double roofline_seconds(const Peaks& peaks, double bytes, double flops);

class KernelClock {
public:
    explicit KernelClock(Device device);

    /// Seconds that `work` takes: on a GPU from its first kernel's start to its last one's end, with
    /// nothing in the second-level cache; on a CPU by the wall clock.
    double seconds(const std::function<void()>& work);

private:
    Device device_;
    Tensor flush_;  ///< on a GPU: twice the size of the second-level cache
};

}  // namespace fovea::apps
