#include "apps/common/device.h"

#include <cstdlib>

#include "apps/common/env_info.h"
#include "core/error.h"
#include "kernels/include/gpu.h"

namespace fovea::apps {

Device device_of(const std::string& name) {
    if (name == "cpu") return Device::cpu();
    if (name == "reference") return Device::reference();
    if (name == "auto")
        return gpu::count() > 0 && gpu::obstacle().empty() ? Device::cuda() : Device::cpu();
    if (name.rfind("cuda:", 0) != 0)
        throw Error("C21", "no such device: " + name, "--device", "auto, cpu, reference, cuda:0");
    const Device device = Device::cuda(std::atoi(name.c_str() + 5));
    const std::string obstacle = gpu::obstacle(device.index);
    if (obstacle.empty()) return device;
    throw Error(gpu::count() == 0 ? "G01" : "G02", obstacle, "--device " + name,
                gpu::architectures().empty()
                    ? "--device cpu, or a build with -DFOVEA_CUDA=ON"
                    : "--device cpu; ./fovea doctor says what this machine has");
}

std::string describe_device(const std::string& name, std::int64_t threads) {
    const Device device = device_of(name);
    if (device.type == DeviceType::CUDA) {
        const gpu::Properties p = gpu::properties(device.index);
        return "cuda:" + std::to_string(device.index) + ": " + p.name + " (sm_" +
               std::to_string(p.major) + std::to_string(p.minor) + ", " +
               std::to_string(p.memory_bytes >> 30) + " GiB)";
    }
    std::string text = device == Device::cpu() ? "cpu: " : "reference: ";
    text += cpu_name() + ", " + std::to_string(threads) + " threads";
    if (name == "auto" && !gpu::architectures().empty()) text += " (" + gpu::obstacle() + ")";
    return text;
}

DType amp_dtype(const Config& config, Device device) {
    const auto wish = config.get<std::string>("train.amp");
    const bool cuda = device.type == DeviceType::CUDA;
    if (wish == "off" || (wish == "auto" && !cuda)) return DType::F32;
    if (!cuda)
        throw Error("C09", "bf16 needs a GPU; the CPU computes in fp32", config.origin("train.amp"),
                    "--amp off, or --device cuda:0");
    return DType::BF16;
}

}  // namespace fovea::apps
