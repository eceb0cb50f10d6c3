#include "tests/cudaemu/machine/memory.h"

#include <sys/mman.h>

#include <mutex>

namespace fovea::cudaemu {

constexpr u64 kAlign = 512, kRedZone = 512, kPage = 4096, kMiB = 1 << 20;

DeviceMemory& DeviceMemory::get() {
    static DeviceMemory* m = new DeviceMemory;  // never destroyed: exit handlers use it
    return *m;
}

DeviceMemory::DeviceMemory() {
    void* p = mmap(nullptr, kArena, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) die("cannot reserve the device's address range");
    base_ = u64(p);
    top_ = align_up(base_ + kMiB, kMiB);
    total_ = u64(env_int("CUDAEMU_MEM_MB", 80 * 1024)) * kMiB;
    if (env_int("CUDAEMU_POISON", 1))
        poison_max_ = u64(env_int("CUDAEMU_POISON_MAX_MB", 256)) * kMiB;
}

void* DeviceMemory::alloc(u64 bytes, MemKind kind, int device) {
    std::unique_lock lock(mutex_);
    if (kind != MemKind::Host && used_ + bytes > total_) return nullptr;
    const u64 a = align_up(top_, bytes >= kMiB ? kPage : kAlign);
    if (a + bytes + kRedZone > base_ + kArena) {
        fprintf(stderr, "cudaemu: device address space exhausted\n");
        return nullptr;
    }
    top_ = a + bytes + kRedZone;
    allocations_[a] = Allocation{a, bytes, kind, true, device};
    if (kind != MemKind::Host) used_ += bytes;
    lock.unlock();
    void* p = reinterpret_cast<void*>(a);
    if (kind != MemKind::Module) memset(p, 0xff, std::min(bytes, poison_max_));
    return p;
}

bool DeviceMemory::release(void* p) {
    std::unique_lock lock(mutex_);
    const auto it = allocations_.find(u64(p));
    if (it == allocations_.end() || !it->second.live) return false;
    Allocation& a = it->second;
    if (a.kind == MemKind::Registered) return false;
    a.live = false;
    if (a.kind != MemKind::Host) used_ -= a.size;
    const u64 lo = align_up(a.base, kPage), hi = (a.base + a.size) / kPage * kPage;
    if (hi > lo) madvise(reinterpret_cast<void*>(lo), hi - lo, MADV_DONTNEED);
    epoch_++;
    return true;
}

void DeviceMemory::register_range(void* p, u64 bytes, MemKind kind) {
    std::unique_lock lock(mutex_);
    allocations_[u64(p)] = Allocation{u64(p), bytes, kind, true, 0};
    epoch_++;
}

bool DeviceMemory::unregister_range(void* p) {
    std::unique_lock lock(mutex_);
    const auto it = allocations_.find(u64(p));
    if (it == allocations_.end() || it->second.kind != MemKind::Registered) return false;
    allocations_.erase(it);
    epoch_++;
    return true;
}

bool DeviceMemory::find(u64 addr, Allocation& out) {
    std::shared_lock lock(mutex_);
    auto it = allocations_.upper_bound(addr);
    if (it == allocations_.begin()) return false;
    const Allocation& a = (--it)->second;
    if (!a.live || addr >= a.base + a.size) return false;
    out = a;
    return true;
}

std::string DeviceMemory::describe(u64 addr) {
    constexpr u64 kNear = 16 * kMiB;
    std::shared_lock lock(mutex_);
    const auto after = allocations_.upper_bound(addr);
    std::string s;
    if (after != allocations_.begin()) {
        const Allocation& a = std::prev(after)->second;
        const u64 end = a.base + a.size;
        if (addr < end)
            s = format("inside a freed allocation of %llu bytes at 0x%llx (offset %llu)",
                       ull(a.size), ull(a.base), ull(addr - a.base));
        else if (addr - end < kNear)
            s = format("%llu bytes past the end of %s allocation of %llu bytes at 0x%llx",
                       ull(addr - end), a.live ? "an" : "a freed", ull(a.size), ull(a.base));
    }
    if (after != allocations_.end() && after->second.base - addr < kNear) {
        const Allocation& a = after->second;
        if (!s.empty()) s += ", ";
        s += format("%llu bytes before an allocation of %llu bytes at 0x%llx", ull(a.base - addr),
                    ull(a.size), ull(a.base));
    }
    return s.empty() ? "not near any allocation" : s;
}

}  // namespace fovea::cudaemu
