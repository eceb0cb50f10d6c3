// Device and Stream: where a kernel runs. A Stream is the first argument of every kernel.
#pragma once

#include <cstdint>

namespace fovea {

enum class DeviceType : std::uint8_t { Reference, CPU, CUDA };

/// Reference: plain loops, fp64 or fp32 (the truth). CPU: fast fp32. CUDA: fp32 and bf16.
struct Device {
    DeviceType type = DeviceType::CPU;
    int index = 0;

    static constexpr Device reference() { return {DeviceType::Reference, 0}; }
    static constexpr Device cpu() { return {DeviceType::CPU, 0}; }
    static constexpr Device cuda(int index = 0) { return {DeviceType::CUDA, index}; }

    constexpr bool operator==(const Device& o) const { return type == o.type && index == o.index; }
    constexpr bool operator!=(const Device& o) const { return !(*this == o); }
    constexpr bool on_host() const { return type != DeviceType::CUDA; }
};

/// A queue of work on a device. `handle` is a cudaStream_t on CUDA and unused elsewhere.
struct Stream {
    Device device;
    void* handle = nullptr;
};

}  // namespace fovea
