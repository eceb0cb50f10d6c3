#include "apps/common/device.h"

#include <charconv>

#include "apps/common/env_info.h"
#include "core/error.h"
#include "kernels/include/gpu.h"

namespace fovea::apps {

std::optional<Device> parse_device(const std::string& name, const std::string& origin) {
    if (name == "auto") return std::nullopt;
    if (name == "cpu") return Device::cpu();
    if (name == "reference") return Device::reference();
    constexpr std::string_view kCuda = "cuda:";
    if (name.starts_with(kCuda)) {
        std::uint16_t number = 0;  // no machine has more; a larger one must not wrap around
        const char* const last = name.data() + name.size();
        const auto [end, error] = std::from_chars(name.data() + kCuda.size(), last, number);
        if (error == std::errc{} && end == last) return Device::cuda(number);
    }
    throw Error("C21", "no such device: " + name, origin,
                name == "cuda" ? "cuda:0" : "auto, cpu, reference or cuda:N");
}

Device device_of(const std::string& name) {
    const std::optional<Device> asked = parse_device(name, "--device");
    if (!asked) return gpu::count() > 0 && gpu::obstacle().empty() ? Device::cuda() : Device::cpu();
    if (asked->type != DeviceType::CUDA) return *asked;
    const std::string obstacle = gpu::obstacle(asked->index);
    if (obstacle.empty()) return *asked;
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
