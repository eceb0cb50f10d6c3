// Softmax and log-softmax over the last axis.
#pragma once

#include "core/tensor.h"

namespace fovea::ops {

Tensor softmax(const Tensor& x);
Tensor log_softmax(const Tensor& x);

}  // namespace fovea::ops
