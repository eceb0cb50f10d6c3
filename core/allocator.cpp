#include "core/allocator.h"

#include <sys/mman.h>

#include <bit>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <set>
#include <vector>

#include "core/error.h"
#include "kernels/include/gpu.h"

namespace fovea::allocator {
namespace {

constexpr std::size_t kAlignment = 64;
constexpr std::size_t kHugePage = std::size_t{2} << 20;

// Buckets: multiples of 1/8 of the next lower power of two, so at most 12.5% is wasted, and never
// below one cache line.
std::size_t bucket_of(std::size_t bytes) {
    if (bytes <= kAlignment) return kAlignment;
    const std::size_t step = std::max(kAlignment, std::bit_floor(bytes) / 8);
    return (bytes + step - 1) / step * step;
}

void* host_allocate(std::size_t bytes) {
    const bool large = bytes >= kHugePage;
    const std::size_t align = large ? kHugePage : kAlignment;
    void* p = nullptr;
    if (posix_memalign(&p, align, (bytes + align - 1) / align * align) != 0) return nullptr;
    // A hint only: without transparent huge pages the memory still works.
    if (large) madvise(p, bytes, MADV_HUGEPAGE);
    return p;
}

/// Where a pool's blocks come from: the host's memory, or one CUDA device's.
class System {
public:
    explicit System(Device device) : device_(device) {}

    /// Null when there is not enough.
    void* allocate(std::size_t bytes) const {
        return device_.on_host() ? host_allocate(bytes) : gpu::allocate(device_.index, bytes);
    }
    /// Nothing may use the blocks any more: wait() comes first.
    void release(void* block) const {
        if (device_.on_host())
            std::free(block);
        else
            gpu::release(device_.index, block);
    }
    void wait() const {
        if (device_.on_host()) return;
        gpu::synchronise(gpu::compute_stream(device_.index));
        gpu::synchronise(gpu::copy_stream(device_.index));
    }
    void fill_with_ones(void* block, std::size_t bytes) const {
        if (device_.on_host())
            std::memset(block, 0xFF, bytes);
        else
            gpu::set_bytes(gpu::compute_stream(device_.index), block, 0xFF, bytes);
    }
    /// With `at_first_touch` the block, a large one, gets zeros only where it is used.
    void clear(void* block, std::size_t bytes, bool at_first_touch) const {
        if (!device_.on_host())
            gpu::set_bytes(gpu::compute_stream(device_.index), block, 0, bytes);
        else if (!at_first_touch || madvise(block, bytes, MADV_DONTNEED) != 0)
            std::memset(block, 0, bytes);
    }
    std::string name() const {
        return device_.on_host() ? "cpu" : "cuda:" + std::to_string(device_.index);
    }

private:
    Device device_;
};

// A block that is given back may be handed out at once: on a CUDA device the work that still uses it
// and the work of its next owner are both in the compute stream, one after the other. Memory that the
// copy stream writes is kept apart (core/staging.h).
class Pool {
public:
    explicit Pool(Device device) : system_(device) {}

    void* allocate(std::size_t bytes) {
        const std::size_t bucket = bucket_of(bytes);
        const std::lock_guard lock(mutex_);
        void* block = nullptr;
        auto& free_blocks = free_[bucket];
        if (!free_blocks.empty()) {
            block = free_blocks.back();
            free_blocks.pop_back();
        } else {
            block = system_.allocate(bucket);
            if (block == nullptr) {
                release_unused();
                block = system_.allocate(bucket);
            }
            if (block == nullptr) {
                throw Error("M01",
                            "out of memory: " + std::to_string(bytes >> 20) + " MiB more wanted, " +
                                std::to_string(stats_.live_bytes >> 20) + " MiB in use",
                            system_.name(), "a smaller --batch, or --accum 2 with half the batch");
            }
            ++stats_.system_allocations;
            stats_.system_bytes += bucket;
            if (bucket >= kHugePage) fresh_.insert(block);
        }
        stats_.live_bytes += bucket;
        stats_.peak_live_bytes = std::max(stats_.peak_live_bytes, stats_.live_bytes);
        if (poison_) system_.fill_with_ones(block, bucket);
        return block;
    }

    void release(void* block, std::size_t bytes) {
        const std::size_t bucket = bucket_of(bytes);
        const std::lock_guard lock(mutex_);
        free_[bucket].push_back(block);
        fresh_.erase(block);
        stats_.live_bytes -= bucket;
    }

    void clear(void* block, std::size_t bytes) {
        bool fresh = false;
        {
            const std::lock_guard lock(mutex_);
            fresh = fresh_.erase(block) > 0;
        }
        system_.clear(block, bytes, fresh);
    }

    AllocatorStats stats() {
        const std::lock_guard lock(mutex_);
        return stats_;
    }

    void reset_peak() {
        const std::lock_guard lock(mutex_);
        stats_.peak_live_bytes = stats_.live_bytes;
    }

    void release_cached() {
        const std::lock_guard lock(mutex_);
        release_unused();
    }

private:
    void release_unused() {
        system_.wait();
        for (auto& [bucket, blocks] : free_) {
            for (void* block : blocks) {
                system_.release(block);
                stats_.system_bytes -= bucket;
            }
            blocks.clear();
        }
    }

    const System system_;
    std::mutex mutex_;
    std::map<std::size_t, std::vector<void*>> free_;
    std::set<void*> fresh_;  ///< large blocks in use that nobody used before, nor cleared
    AllocatorStats stats_;
    // Fresh memory full of NaN shows a kernel that reads what it should have written.
    const bool poison_ = std::getenv("FOVEA_POISON") != nullptr;
};

// The reference device shares the host pool. Never destroyed: tensors in static storage may outlive
// them.
Pool& pool(Device device) {
    static Pool* host = new Pool(Device::cpu());
    if (device.on_host()) return *host;
    static std::mutex mutex;
    static auto* gpus = new std::map<int, Pool>;
    const std::lock_guard lock(mutex);
    const auto known = gpus->find(device.index);
    if (known != gpus->end()) return known->second;
    const std::string obstacle = gpu::obstacle(device.index);
    if (!obstacle.empty())
        throw Error(gpu::count() == 0 ? "G01" : "G02", obstacle, "", "--device cpu");
    return gpus->try_emplace(device.index, device).first->second;
}

}  // namespace

void* allocate(Device device, std::size_t bytes) { return pool(device).allocate(bytes); }
void release(Device device, void* block, std::size_t bytes) noexcept {
    pool(device).release(block, bytes);
}
void clear(Device device, void* block, std::size_t bytes) { pool(device).clear(block, bytes); }
AllocatorStats stats(Device device) { return pool(device).stats(); }
void reset_peak(Device device) { pool(device).reset_peak(); }
void release_cached(Device device) { pool(device).release_cached(); }

}  // namespace fovea::allocator
