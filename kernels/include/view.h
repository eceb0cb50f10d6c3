// View, CView: all that a kernel may see of a tensor. Trivially copyable; own nothing.
#pragma once

#include <type_traits>

#include "kernels/include/dtype.h"
#include "kernels/include/shape.h"

namespace fovea {

template <class Pointer>
struct BasicView {
    Pointer data = nullptr;  ///< first element
    Shape shape;
    Shape strides;  ///< in elements; 0 repeats (broadcast)
    DType dtype = DType::F32;

    explicit operator bool() const { return data != nullptr; }  ///< false: argument not used
    std::int64_t numel() const { return shape.numel(); }
    int rank() const { return shape.rank; }
    std::int64_t dim(int i) const { return shape[i]; }

    /// Row-major without gaps? Axes of extent 1 may have any stride.
    bool contiguous() const {
        std::int64_t step = 1;
        for (int i = shape.rank - 1; i >= 0; --i) {
            if (shape.dims[i] != 1 && strides.dims[i] != step) return false;
            step *= shape.dims[i];
        }
        return true;
    }

    template <class T>
    auto* as() const {
        if constexpr (std::is_const_v<std::remove_pointer_t<Pointer>>)
            return static_cast<const T*>(data);
        else
            return static_cast<T*>(data);
    }
};

/// Writable view.
struct View : BasicView<void*> {};

/// Read-only view; a View converts to it.
struct CView : BasicView<const void*> {
    CView() = default;
    CView(const View& v) : BasicView{v.data, v.shape, v.strides, v.dtype} {}
    CView(const void* p, const Shape& s, const Shape& st, DType t) : BasicView{p, s, st, t} {}
};

static_assert(std::is_trivially_copyable_v<View> && std::is_trivially_copyable_v<CView>);

}  // namespace fovea
