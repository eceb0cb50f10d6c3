// Optimizers as golden files describe them: {op, args}.
#pragma once

#include <memory>

#include "optim/optimizer.h"
#include "tests/parity/golden.h"

namespace fovea::parity {

/// Null if the optimizer is not supported.
std::unique_ptr<Optimizer> build_optimizer(const std::string& op, const Json& args,
                                           const ParamStore& store);

}  // namespace fovea::parity
