// Which device a program runs on, and what it says about it.
#pragma once

#include <optional>
#include <string>

#include "apps/common/recipe.h"
#include "kernels/include/device.h"
#include "kernels/include/dtype.h"

namespace fovea::apps {

/// The device that a name stands for, whether this machine has it or not; none for auto. Names: auto,
/// cpu, reference, cuda:N. Error C21, at `origin`: any other.
std::optional<Device> parse_device(const std::string& name, const std::string& origin);

/// Where the kernels run: auto (a GPU if this program can use one, else the CPU), cpu, reference,
/// cuda:N. Errors: C21 unknown name; G01, G02 a GPU was asked for that cannot be used.
Device device_of(const std::string& name);

/// "cuda:0: NVIDIA H100 (sm_90, 80 GiB)", or "cpu: AMD EPYC 9575F, 2 threads"; after `auto`, in a build
/// with CUDA, also why it is not a GPU.
std::string describe_device(const std::string& name, std::int64_t threads);

/// What training computes in on this device (train.amp): F32 or BF16. Error C09: BF16 on a CPU.
DType amp_dtype(const Config& config, Device device);

}  // namespace fovea::apps
