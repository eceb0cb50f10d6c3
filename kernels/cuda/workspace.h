// Memory that belongs to a stream: scratch of a launcher (partial sums between the two stages of a
// reduction, and the like), and counters by which the blocks of a launch wait for each other.
#pragma once

#include <cstddef>

#include "kernels/include/device.h"

namespace fovea::kernels::cuda {

/// At least `bytes` bytes of device memory, 256-byte aligned, uninitialised. One block a stream, which
/// grows and is handed out again at the next call: the kernels of one stream run one after another,
/// so a launcher may use it until it returns, and takes what it needs in one call.
void* workspace(const Stream& stream, std::size_t bytes);

template <class T>
T* workspace(const Stream& stream, std::size_t count) {
    return static_cast<T*>(workspace(stream, count * sizeof(T)));
}

/// `count` counters that are zero, for the stream's next launch, which must leave them so (turns.cuh).
/// One block a stream, cleared once when it is allocated. After a launch that was aborted they may hold
/// anything, but then the device's context is lost as well.
unsigned* turns(const Stream& stream, std::size_t count);

}  // namespace fovea::kernels::cuda
