#include "core/staging.h"

#include <cstring>

#include "core/error.h"
#include "kernels/include/gpu.h"

namespace fovea {

struct Staging::Slot {
    explicit Slot(int device_index) : copied(device_index), consumed(device_index) {}
    ~Slot() {
        if (pinned != nullptr) gpu::release_pinned(pinned);
    }
    Slot(const Slot&) = delete;
    Slot& operator=(const Slot&) = delete;

    std::vector<Tensor> tensors;  // on the device
    void* pinned = nullptr;
    std::size_t pinned_bytes = 0;
    gpu::Event copied;    // the copy stream has filled `tensors`
    gpu::Event consumed;  // the compute stream no longer reads them
    bool filled = false;
};

namespace {

std::size_t bytes_of(const Tensor& t) {
    return static_cast<std::size_t>(t.numel()) * size_of(t.dtype());
}

/// Parts of one pinned block begin at multiples of this.
constexpr std::size_t kAlignment = 256;
std::size_t padded(std::size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

bool alike(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
    if (a.size() != b.size()) return false;
    for (std::size_t i = 0; i < a.size(); ++i)
        if (!(a[i].shape() == b[i].shape()) || a[i].dtype() != b[i].dtype()) return false;
    return true;
}

}  // namespace

Staging::Staging(Device device) : device_(device), slots_(2) {
    if (device_.on_host()) return;
    for (auto& slot : slots_) slot = std::make_unique<Slot>(device_.index);
}

Staging::~Staging() {
    if (device_.on_host()) return;
    // The slots' memory goes back to the pool of the compute stream: nothing may still be written.
    try {
        gpu::synchronise(gpu::copy_stream(device_.index));
    } catch (const gpu::Failure&) {  // NOLINT: the device has failed; whoever used it has said so
    }
}

void Staging::begin(const std::vector<Tensor>& host) {
    const std::size_t busy = in_use_ != nullptr ? 1 : 0;
    if (next_begin_ - next_take_ + busy >= slots_.size())
        throw Error("B05", "Staging::begin: both slots are in use");
    for (const Tensor& t : host)
        if (!t.is_contiguous()) throw Error("B01", "Staging::begin: needs dense tensors");
    const std::size_t number = next_begin_++ % slots_.size();
    if (device_.on_host()) {
        waiting_.push_back(host);
        return;
    }
    Slot& slot = *slots_[number];
    const Stream copy = gpu::copy_stream(device_.index);
    const Stream compute = gpu::compute_stream(device_.index);
    if (slot.filled) slot.copied.wait();  // the host writes the pinned block again
    if (!alike(slot.tensors, host)) {
        slot.tensors.clear();
        for (const Tensor& t : host)
            slot.tensors.push_back(Tensor::empty(t.shape(), t.dtype(), device_));
        slot.consumed.record(compute);  // what last used this memory is in the compute stream
    }
    std::size_t bytes = 0;
    for (const Tensor& t : host) bytes += padded(bytes_of(t));
    if (bytes > slot.pinned_bytes) {
        if (slot.pinned != nullptr) gpu::release_pinned(slot.pinned);
        slot.pinned = gpu::allocate_pinned(bytes);
        slot.pinned_bytes = bytes;
    }
    slot.consumed.make_wait(copy);
    auto* at = static_cast<std::byte*>(slot.pinned);
    for (std::size_t i = 0; i < host.size(); ++i) {
        if (host[i].numel() > 0) std::memcpy(at, host[i].data(), bytes_of(host[i]));
        gpu::copy(copy, slot.tensors[i].data(), at, bytes_of(host[i]), gpu::Copy::HostToDevice);
        at += padded(bytes_of(host[i]));
    }
    slot.copied.record(copy);
    slot.filled = true;
}

std::vector<Tensor> Staging::take() {
    if (next_take_ == next_begin_) throw Error("B05", "Staging::take: nothing was begun");
    const std::size_t number = next_take_++ % slots_.size();
    if (device_.on_host()) {
        std::vector<Tensor> tensors = std::move(waiting_.front());
        waiting_.erase(waiting_.begin());
        return tensors;
    }
    const Stream compute = gpu::compute_stream(device_.index);
    if (in_use_ != nullptr) in_use_->consumed.record(compute);
    Slot& slot = *slots_[number];
    slot.copied.make_wait(compute);
    in_use_ = &slot;
    return slot.tensors;
}

}  // namespace fovea
