#include "tests/cudaemu/machine/memory.h"

#include <sys/mman.h>

#include <mutex>

namespace emu {

constexpr u64 kAlign = 512, kRedZone = 512;

DeviceMemory& DeviceMemory::get() {
    static DeviceMemory* m = new DeviceMemory;  // never destroyed: used during exit handlers
    return *m;
}

DeviceMemory::DeviceMemory() {
    void* p = mmap(nullptr, kArena, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) die("cannot reserve the device address range");
    base_ = u64(p);
    top_ = align_up(base_ + (1 << 20), 1 << 20);
    total_ = u64(env_int("CUDAEMU_MEM_MB", 80 * 1024)) << 20;
    poison_max_ =
        env_int("CUDAEMU_POISON", 1) ? u64(env_int("CUDAEMU_POISON_MAX_MB", 256)) << 20 : 0;
}

void* DeviceMemory::alloc(u64 bytes, MemKind kind) {
    std::unique_lock lk(mu_);
    if (kind != MemKind::Host && used_ + bytes > total_) return nullptr;
    u64 a = align_up(top_, bytes >= (1 << 20) ? 4096 : kAlign);
    if (a + bytes + kRedZone > base_ + kArena) {
        fprintf(stderr, "cudaemu: device address space exhausted\n");
        return nullptr;
    }
    top_ = a + bytes + kRedZone;
    map_[a] = Allocation{a, bytes, kind, true};
    if (kind != MemKind::Host) used_ += bytes;
    lk.unlock();
    if (kind != MemKind::Module) {
        u64 n = std::min(bytes, poison_max_);
        memset(reinterpret_cast<void*>(a), 0xff, n);
    }
    return reinterpret_cast<void*>(a);
}

bool DeviceMemory::release(void* p) {
    std::unique_lock lk(mu_);
    auto it = map_.find(u64(p));
    if (it == map_.end() || !it->second.live || it->second.kind == MemKind::Registered)
        return false;
    it->second.live = false;
    if (it->second.kind != MemKind::Host) used_ -= it->second.size;
    u64 lo = align_up(it->second.base, 4096), hi = (it->second.base + it->second.size) & ~4095ull;
    if (hi > lo) madvise(reinterpret_cast<void*>(lo), hi - lo, MADV_DONTNEED);
    epoch_++;
    return true;
}

void DeviceMemory::register_range(void* p, u64 bytes, MemKind kind) {
    std::unique_lock lk(mu_);
    map_[u64(p)] = Allocation{u64(p), bytes, kind, true};
    epoch_++;
}

bool DeviceMemory::unregister_range(void* p) {
    std::unique_lock lk(mu_);
    auto it = map_.find(u64(p));
    if (it == map_.end() || it->second.kind != MemKind::Registered) return false;
    map_.erase(it);
    epoch_++;
    return true;
}

bool DeviceMemory::find(u64 addr, Allocation& out) {
    std::shared_lock lk(mu_);
    auto it = map_.upper_bound(addr);
    if (it == map_.begin()) return false;
    --it;
    if (!it->second.live || addr >= it->second.base + it->second.size) return false;
    out = it->second;
    return true;
}

std::string DeviceMemory::describe(u64 addr) {
    std::shared_lock lk(mu_);
    auto it = map_.upper_bound(addr);
    std::string s;
    if (it != map_.begin()) {
        auto& a = std::prev(it)->second;
        if (addr < a.base + a.size)
            s = format("inside a freed allocation of %llu bytes at 0x%llx (offset %llu)",
                       (unsigned long long)a.size, (unsigned long long)a.base,
                       (unsigned long long)(addr - a.base));
        else if (addr - a.base - a.size < (1 << 24))
            s = format("%llu bytes past the end of a%s allocation of %llu bytes at 0x%llx",
                       (unsigned long long)(addr - a.base - a.size), a.live ? "n" : " freed",
                       (unsigned long long)a.size, (unsigned long long)a.base);
    }
    if (it != map_.end() && it->second.base - addr < (1 << 24))
        s += format("%s%llu bytes before an allocation of %llu bytes at 0x%llx",
                    s.empty() ? "" : ", ", (unsigned long long)(it->second.base - addr),
                    (unsigned long long)it->second.size, (unsigned long long)it->second.base);
    return s.empty() ? "not near any allocation" : s;
}

}  // namespace emu
