#include "kernels/cpu/scratch.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <new>

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace fovea::kernels::cpu {
namespace {

constexpr std::size_t kPage = 4096, kHugePage = std::size_t{2} << 20;

class Buffer {
public:
    Buffer() = default;
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;
    ~Buffer() { std::free(data_); }

    void* reserve(std::size_t bytes) {
        if (bytes > size_ || data_ == nullptr) grow(bytes);
        return data_;
    }

private:
    void grow(std::size_t bytes) {
        std::free(data_);
        data_ = nullptr;
        // Doubling, so that a few calls of rising size settle it; small ones cost no huge page.
        const bool large = bytes > kHugePage / 2;
        const std::size_t align = large ? kHugePage : kPage;
        size_ = large ? (bytes / kHugePage + 1) * kHugePage : std::bit_ceil(std::max(bytes, kPage));
        data_ = std::aligned_alloc(align, size_);
        if (data_ == nullptr) throw std::bad_alloc();
#ifdef __linux__
        if (large) madvise(data_, size_, MADV_HUGEPAGE);  // a hint: failure only costs speed
#endif
    }

    void* data_ = nullptr;
    std::size_t size_ = 0;
};

}  // namespace

void* scratch(ScratchSlot slot, std::size_t bytes) {
    static thread_local Buffer buffers[3];
    return buffers[static_cast<int>(slot)].reserve(bytes);
}

}  // namespace fovea::kernels::cpu
