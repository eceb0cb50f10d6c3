// The parts of copy that are more than moving rows: see copy.cu for who does what.
#pragma once

#include "kernels/cpu/strided.h"
#include "kernels/include/kernel.h"

namespace fovea::kernels::cuda {

/// Axes of y and x, in this order, with y's falling strides.
using CopyLoop = cpu::StridedLoop<2>;

/// The last axis lies dense in y, `axis`, another one, in x. One dtype, or F32 and BF16.
void copy_transposed(const Stream& stream, const CopyLoop& loop, int axis, View y, CView x);

/// Any two dtypes, any strides.
void copy_converted(const Stream& stream, const CopyLoop& loop, View y, CView x);

}  // namespace fovea::kernels::cuda
