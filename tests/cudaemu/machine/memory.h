// The memory of the device: one large range of addresses, so that a device pointer is a host
// pointer. Allocations have red zones and are never used again after they are freed.
#pragma once

#include <atomic>
#include <map>
#include <shared_mutex>

#include "tests/cudaemu/base.h"

namespace fovea::cudaemu {

enum class MemKind : u8 {
    Device,
    Host,  // pinned
    Managed,
    Registered,  // the program's own, made known
    Module,      // variables of a module
};

struct Allocation {
    u64 base = 0, size = 0;
    MemKind kind = MemKind::Device;
    bool live = true;
    int device = 0;  // where it is, if it is MemKind::Device
};

/// What a worker has looked up lately, by instruction.
struct AllocCache {
    struct Range {
        u64 lo = 1, hi = 0;
    };
    Range ranges[128];
    u64 epoch = 0;
    int device = 0;
};

class DeviceMemory {
public:
    static constexpr u64 kArena = 4ull << 40;  // bytes of address space

    static DeviceMemory& get();

    /// Filled with 0xff (NaN). Null if the device is full.
    void* alloc(u64 bytes, MemKind kind, int device = 0);
    bool release(void* p);
    void register_range(void* p, u64 bytes, MemKind kind);
    bool unregister_range(void* p);

    /// The live allocation that holds addr.
    bool find(u64 addr, Allocation& out);
    /// For messages: the nearest allocations, live or freed.
    std::string describe(u64 addr);
    template <class F>
    void for_live(F&& f) {
        std::shared_lock lock(mutex_);
        for (auto& [base, a] : allocations_)
            if (a.live) f(a);
    }

    u64 epoch() const { return epoch_.load(std::memory_order_acquire); }  // grows when ranges die
    u64 used() const { return used_; }
    u64 total() const { return total_; }
    bool in_arena(u64 a) const { return a - base_ < kArena; }
    u64 arena_base() const { return base_; }

private:
    DeviceMemory();

    std::shared_mutex mutex_;
    std::map<u64, Allocation> allocations_;
    u64 base_ = 0, top_ = 0, used_ = 0, total_ = 0, poison_max_ = 0;
    std::atomic<u64> epoch_{1};
};

}  // namespace fovea::cudaemu
