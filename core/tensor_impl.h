// TensorImpl: what Tensor handles share. Private to core.
#pragma once

#include "core/autograd.h"

namespace fovea {

struct TensorImpl {
    std::shared_ptr<Storage> storage;
    std::int64_t offset = 0;  ///< of the first element, in elements
    Shape shape;
    Shape strides;
    DType dtype = DType::F32;
    std::shared_ptr<GradSlot> slot;  ///< null: no gradient is wanted
    Tensor low;                      ///< copy in a lower precision (core/autocast.h), or undefined
    std::uint32_t low_version = 0;   ///< of the storage when the copy was made
};

}  // namespace fovea
