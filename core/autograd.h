// The pieces that an op's backward works with: gradient slots, sinks and saved tensors.
#pragma once

#include <memory>

#include "core/tensor.h"
#include "kernels/include/kernel.h"

namespace fovea {

/// Where a tensor's gradient is collected. It lives apart from the tensor's values, so that a tape can
/// hold the slot of an activation whose memory is already used for something else.
struct GradSlot {
    Tensor grad;
    Shape shape;
    DType dtype = DType::F32;
    Device device;
    bool leaf = true;  ///< not the output of a recorded op: keeps its gradient
    bool fixed =
        false;  ///< the gradient is a given buffer (a slice of the flat arena): add into it
    bool retain = false;  ///< keep the gradient of an activation too (explain tools)
};

/// Sends gradients to one input of an op. Empty when that input wants none.
class GradSink {
public:
    GradSink() = default;
    explicit GradSink(std::shared_ptr<GradSlot> slot) : slot_(std::move(slot)) {}

    explicit operator bool() const { return slot_ != nullptr; }

    /// A buffer for a kernel to write (first contribution) or to add to (later ones).
    struct Buffer {
        View view;
        GradMode mode = GradMode::Ignore;
    };
    Buffer open() const;  ///< {View{}, Ignore} for an empty sink

    /// The first contribution is moved in, later ones are added. `g` must have the input's shape.
    void add(Tensor g) const;

private:
    std::shared_ptr<GradSlot> slot_;
};

/// A tensor kept for backward. get() throws B02 if somebody has written to it in between.
class Saved {
public:
    Saved() = default;
    explicit Saved(const Tensor& t) : tensor_(t), version_(t.defined() ? t.version() : 0) {}
    const Tensor& get() const;

private:
    Tensor tensor_;
    std::uint32_t version_ = 0;
};

}  // namespace fovea
