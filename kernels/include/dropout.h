// Dropout (Srivastava et al. 2014) and drop-path (stochastic depth, Huang et al. 2016). Masks come
// from Philox by element number and are drawn again in backward, never stored.
#pragma once

#include "kernels/include/kernel.h"
#include "kernels/include/philox.h"

namespace fovea::kernels {

/// y[i] = x[i] / (1 - p) where site.unit(i) >= p, else 0. Backward is the same call on dy.
KERNEL(dropout, View y, CView x, double p, const RandomSite& site);

/// y[b] = residual[b] + x[b] / (1 - p) where site.unit(b) >= p, else residual[b]; b is the first
/// axis. residual may be empty (then 0). Backward for x is the same call on dy without residual.
KERNEL(drop_path, View y, CView x, CView residual, double p, const RandomSite& site);

}  // namespace fovea::kernels
