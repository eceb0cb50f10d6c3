// Sums and means over axes.
#pragma once

#include <vector>

#include "core/tensor.h"

namespace fovea::ops {

/// Sum over the given axes; they stay with extent 1 (keepdim) or go.
Tensor sum(const Tensor& x, const std::vector<int>& axes, bool keepdim = false);
/// Mean over the given axes.
Tensor mean(const Tensor& x, const std::vector<int>& axes, bool keepdim = false);

}  // namespace fovea::ops
