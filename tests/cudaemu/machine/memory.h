// Emulated device memory: one large reserved address range, so that a device pointer is a host pointer.
#pragma once
#include <atomic>
#include <map>
#include <shared_mutex>

#include "tests/cudaemu/base.h"

namespace emu {

enum class MemKind : u8 { Device, Host, Managed, Registered, Module };

struct Allocation {
    u64 base = 0, size = 0;
    MemKind kind = MemKind::Device;
    bool live = true;
};

// Per-worker cache of valid ranges, indexed by a hash of the instruction.
struct AllocCache {
    struct Entry {
        u64 lo = 1, hi = 0;
    };
    Entry e[128];
    u64 epoch = 0;
};

class DeviceMemory {
public:
    static DeviceMemory& get();
    void* alloc(u64 bytes, MemKind kind);
    bool release(void* p);
    void register_range(void* p, u64 bytes, MemKind kind);
    bool unregister_range(void* p);
    // Finds the live allocation holding addr.
    bool find(u64 addr, Allocation& out);
    // For messages: nearest allocation, live or freed.
    std::string describe(u64 addr);
    u64 epoch() const { return epoch_.load(std::memory_order_acquire); }
    u64 used() const { return used_; }
    u64 total() const { return total_; }
    bool in_arena(u64 a) const { return a >= base_ && a < base_ + kArena; }
    u64 arena_base() const { return base_; }
    template <class F>
    void for_live(F&& f) {
        std::shared_lock lk(mu_);
        for (auto& [b, a] : map_)
            if (a.live) f(a);
    }
    static constexpr u64 kArena = 4ull << 40;

private:
    DeviceMemory();
    std::shared_mutex mu_;
    std::map<u64, Allocation> map_;
    u64 base_ = 0, top_ = 0, used_ = 0, total_ = 0, poison_max_ = 0;
    std::atomic<u64> epoch_{1};
};

}  // namespace emu
