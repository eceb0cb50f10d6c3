// Reductions in a fixed order, so that two runs give the same bits for any number of threads.
#pragma once

#include "kernels/include/kernel.h"

namespace fovea::kernels {

/// y (+)= scale * sum of x over every axis where y's extent is 1 and x's is not. Same rank; x may
/// be strided. Undoes a broadcast (scale 1) and takes means (scale 1/n).
KERNEL(reduce_sum, View y, CView x, double scale, GradMode mode);

/// out[0] (F64) = sum of x[i]^2, accumulated in double in a fixed order.
KERNEL(sum_of_squares, View out, CView x);

/// out[0] (I64) = number of elements of x that are NaN or infinite.
KERNEL(count_nonfinite, View out, CView x);

}  // namespace fovea::kernels
