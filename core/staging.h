// Staging: batches travel to the GPU while it computes.
//
//     Staging staging(device);
//     staging.begin({batch.images, batch.labels});            // the first
//     while (...) {
//         const std::vector<Tensor> inputs = staging.take();  // on the device
//         if (more) staging.begin({next.images, next.labels});   // copied during the step
//         step(inputs);
//     }
//
// The copies go through page-locked host memory in the copy stream. Two slots take turns: a slot is
// written again only after the work that reads it is done, and events say so to the streams, never to
// the host. On a host device everything is handed through.
#pragma once

#include <memory>
#include <vector>

#include "core/tensor.h"

namespace fovea {

class Staging {
public:
    explicit Staging(Device device);
    ~Staging();
    Staging(const Staging&) = delete;
    Staging& operator=(const Staging&) = delete;

    /// Starts to copy dense host tensors. At most two batches may be under way or in use (Error B05).
    void begin(const std::vector<Tensor>& host);

    /// The tensors of the oldest begin(), for the compute stream. They may be used until the next
    /// take(), and nobody may keep them longer.
    std::vector<Tensor> take();

private:
    struct Slot;

    Device device_;
    std::vector<std::unique_ptr<Slot>> slots_;
    std::vector<std::vector<Tensor>> waiting_;  // on a host device
    std::size_t next_begin_ = 0, next_take_ = 0;
    Slot* in_use_ = nullptr;
};

}  // namespace fovea
