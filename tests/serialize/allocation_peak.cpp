#include "tests/serialize/allocation_peak.h"

#include <malloc.h>

#include <algorithm>
#include <cstdlib>
#include <new>

// Plain numbers: the tests of this program run on one thread.
namespace {
std::ptrdiff_t live = 0, base = 0, most = 0;
std::size_t largest = 0;
}  // namespace

namespace fovea::test {

void reset_allocation_peak() {
    base = most = live;
    largest = 0;
}

AllocationPeak allocation_peak() { return {largest, static_cast<std::size_t>(most - base)}; }

}  // namespace fovea::test

// The array forms call these. The nothrow form would too, but not under AddressSanitizer.
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
    void* memory = std::malloc(std::max<std::size_t>(bytes, 1));
    if (memory == nullptr) return nullptr;
    largest = std::max(largest, bytes);
    live += static_cast<std::ptrdiff_t>(::malloc_usable_size(memory));
    most = std::max(most, live);
    return memory;
}

void* operator new(std::size_t bytes) {
    if (void* memory = operator new(bytes, std::nothrow)) return memory;
    throw std::bad_alloc();
}

void operator delete(void* memory) noexcept {
    live -= static_cast<std::ptrdiff_t>(::malloc_usable_size(memory));
    std::free(memory);
}

void operator delete(void* memory, std::size_t) noexcept { operator delete(memory); }
