// Dropout and drop-path with masks that are functions of (seed, site, step, element).
#pragma once

#include "core/tensor.h"
#include "kernels/include/philox.h"

namespace fovea::ops {

/// Zeroes elements with probability p, scales the others by 1/(1-p) (Srivastava et al. 2014).
Tensor dropout(const Tensor& x, double p, const RandomSite& site);

/// residual + branch, where a sample's whole branch is dropped with probability p and scaled by 1/(1-p)
/// otherwise (stochastic depth, Huang et al. 2016). p = 0 is a plain addition.
Tensor residual_drop_path(const Tensor& residual, const Tensor& branch, double p,
                          const RandomSite& site);

}  // namespace fovea::ops
