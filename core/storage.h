// Storage: a reference-counted block of device memory from the caching allocator.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "kernels/include/device.h"

namespace fovea {

class Storage {
public:
    /// Uninitialised block of at least `bytes` bytes, 64-byte aligned.
    /// Throws Error M01 when the memory cannot be had.
    static std::shared_ptr<Storage> allocate(Device device, std::size_t bytes);
    ~Storage();
    Storage(const Storage&) = delete;
    Storage& operator=(const Storage&) = delete;

    void* data() const { return data_; }
    std::size_t bytes() const { return bytes_; }
    Device device() const { return device_; }

    /// Counts in-place writes, so that backward can tell that a saved tensor is still what it was.
    std::uint32_t version = 0;

private:
    Storage(Device device, void* data, std::size_t bytes)
        : device_(device), data_(data), bytes_(bytes) {}

    Device device_;
    void* data_;
    std::size_t bytes_;
};

}  // namespace fovea
