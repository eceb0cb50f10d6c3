// Tensor: a cheap value handle on {storage, shape, strides, dtype, device, autograd state}.
//
// Copying a Tensor copies the handle. Views (reshape, slice, transpose, expand) share the storage;
// these members do not record gradients: the differentiable forms live in core/ops/shape_ops.h.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/storage.h"
#include "kernels/include/view.h"

namespace fovea {

struct TensorImpl;
struct GradSlot;

class Tensor {
public:
    Tensor() = default;  ///< undefined: defined() is false

    /// New contiguous tensors. `empty` is uninitialised (all-ones bytes, NaN, with FOVEA_POISON=1).
    static Tensor empty(const Shape& shape, DType dtype = DType::F32,
                        Device device = Device::cpu());
    static Tensor full(const Shape& shape, double value, DType dtype = DType::F32,
                       Device device = Device::cpu());
    static Tensor zeros(const Shape& shape, DType dtype = DType::F32,
                        Device device = Device::cpu()) {
        return full(shape, 0.0, dtype, device);
    }
    /// Copies `values` (row-major), converting to dtype.
    static Tensor from(const std::vector<double>& values, const Shape& shape,
                       DType dtype = DType::F32, Device device = Device::cpu());
    /// View on existing storage: offset and strides in elements.
    static Tensor view_of(std::shared_ptr<Storage> storage, std::int64_t offset, const Shape& shape,
                          const Shape& strides, DType dtype);

    bool defined() const { return impl_ != nullptr; }
    const Shape& shape() const;
    const Shape& strides() const;
    std::int64_t size(int axis) const { return shape()[axis]; }
    int rank() const { return shape().rank; }
    std::int64_t numel() const { return shape().numel(); }
    DType dtype() const;
    Device device() const;
    Stream stream() const;  ///< of its device; the compute stream on CUDA
    bool is_contiguous() const;
    const std::shared_ptr<Storage>& storage() const;
    std::int64_t offset() const;

    void* data() const;  ///< first element (device pointer)
    template <class T>
    T* data() const {
        return static_cast<T*>(data());
    }

    View view() const;  ///< for kernels that write
    CView cview() const;
    operator CView() const { return cview(); }  // NOLINT: an undefined Tensor gives the empty view

    // Views that share storage. Shapes are checked; Error B01 names both.
    Tensor reshape(const Shape& shape) const;  ///< one extent may be -1; needs contiguity
    Tensor slice(int axis, std::int64_t begin, std::int64_t end) const;
    Tensor permute(const std::vector<int>& axes) const;
    Tensor transpose(int a, int b) const;
    Tensor expand(const Shape& shape) const;  ///< broadcast (numpy rules), stride 0

    Tensor contiguous() const;  ///< itself, or a dense copy
    Tensor clone() const;       ///< dense copy
    Tensor to(DType dtype) const;
    Tensor to(Device device) const;
    /// Overwrites this tensor's elements with x's (same shape; converts); bumps the version.
    void copy_from(const Tensor& x) const;
    void fill(double value) const;

    double item() const;  ///< the only element of a one-element tensor
    std::vector<double> to_vector() const;

    // Autograd. A parameter has requires_grad; what a tape records from it gets it too.
    bool requires_grad() const;
    Tensor& set_requires_grad(bool on = true);
    const std::shared_ptr<GradSlot>& grad_slot() const;
    /// Gradient, or an undefined tensor. Activations lose theirs when their op's backward has run.
    const Tensor& grad() const;
    /// Gives the gradient a buffer of its own (same shape), which backward adds into.
    void set_grad(Tensor g) const;
    void clear_grad() const;

    std::uint32_t version() const { return storage()->version; }
    void bump_version() const { ++storage()->version; }
    /// This leaf in another dtype, sharing its gradient: an op that takes the copy writes the gradient
    /// of this tensor. Kept, and made anew only after this tensor's memory has changed.
    Tensor low_copy(DType dtype) const;
    /// Makes `low` that copy's memory: an optimizer can write it together with the values, and then
    /// says so with current = true.
    void set_low_copy(const Tensor& low, bool current) const;

    /// No other handle and no other view uses this storage.
    bool unique() const;

    /// Same tensor object (not: same values).
    bool same(const Tensor& o) const { return impl_ == o.impl_; }

private:
    void transfer(const Tensor& x) const;

    explicit Tensor(std::shared_ptr<TensorImpl> impl) : impl_(std::move(impl)) {}
    std::shared_ptr<TensorImpl> impl_;
};

/// "[2, 3, 32]"
std::string to_string(const Shape& shape);

}  // namespace fovea
