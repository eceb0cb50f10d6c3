#include "tests/serialize/allocation_peak.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <new>

namespace {
std::atomic<std::size_t> peak{0};
}

namespace fovea::test {

void reset_allocation_peak() { peak = 0; }
std::size_t allocation_peak() { return peak; }

}  // namespace fovea::test

// The array forms call these.
void* operator new(std::size_t bytes) {
    peak = std::max(peak.load(), bytes);
    if (void* memory = std::malloc(std::max<std::size_t>(bytes, 1))) return memory;
    throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
