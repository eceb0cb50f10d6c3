// Scratch memory of a thread: grows, is never returned while the thread lives, sits on huge pages
// where it is large. In the steady state of a training loop a kernel therefore neither allocates nor
// faults pages in.
#pragma once

#include <cstddef>

namespace fovea::kernels::cpu {

/// Independent buffers, so that a kernel may use several at once.
enum class ScratchSlot { Library, Weights, Work };

/// At least `bytes` bytes, aligned to a page. Valid until the thread's next call with the same slot;
/// contents are undefined. Throws std::bad_alloc.
void* scratch(ScratchSlot slot, std::size_t bytes);

/// The same for `count` floats.
inline float* scratch_floats(ScratchSlot slot, std::size_t count) {
    return static_cast<float*>(scratch(slot, count * sizeof(float)));
}

}  // namespace fovea::kernels::cpu
