// A device's self-test: one training step of a tiny model against the reference kernels in double
// precision. It runs most kernels, takes seconds, and needs no data.
#pragma once

#include <string>

#include "kernels/include/device.h"
#include "kernels/include/dtype.h"

namespace fovea::apps {

struct SelfTest {
    bool ok = false;
    double error =
        0.0;  ///< largest difference of a logit or gradient, over the largest of its tensor
    double bound = 0.0;    ///< what rounding may make of it
    double seconds = 0.0;  ///< of the step on the device
    std::string worst;     ///< the tensor with that error
};

/// Forward, loss and backward in `dtype` (BF16: under autocast).
SelfTest self_test(Device device, DType dtype);

}  // namespace fovea::apps
