// Caching allocator: blocks are kept in size buckets and handed out again, so that a training step
// makes no system allocation after the first ones. Large blocks are 2 MiB aligned and ask for huge
// pages; nothing is returned to the system before the process ends (or release_cached(), or when the
// system has no more).
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/include/device.h"

namespace fovea {

struct AllocatorStats {
    std::uint64_t system_allocations = 0;  ///< calls that reached the system
    std::uint64_t system_bytes = 0;        ///< bytes held from the system
    std::uint64_t live_bytes = 0;          ///< bytes in use, rounded up to their buckets
    std::uint64_t peak_live_bytes = 0;
};

namespace allocator {

/// 64-byte aligned block of at least `bytes` (never null, also for 0). Thread-safe. Errors: M01 not
/// enough memory; G01, G02 no CUDA device that could be used.
void* allocate(Device device, std::size_t bytes);
/// Gives a block back to its bucket.
void release(Device device, void* block, std::size_t bytes) noexcept;

/// Fills the first `bytes` of a block with zeros. A large block that is fresh from the system then costs
/// no memory before it is used: a network that is only counted never does.
void clear(Device device, void* block, std::size_t bytes);

AllocatorStats stats(Device device);
void reset_peak(Device device);
/// Returns the cached (unused) blocks to the system.
void release_cached(Device device);

}  // namespace allocator
}  // namespace fovea
