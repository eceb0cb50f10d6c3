// Parameters of a deep model, counted on a shallow one of the same widths: the large models need not be
// allocated.
#pragma once

#include "models/vit.h"

namespace test {

/// `prefix`: what the names of the first block's parameters begin with.
template <class Model>
std::int64_t count_by_blocks(fovea::VitConfig config, const std::string& prefix) {
    const std::int64_t depth = config.depth;
    config.depth = 1;
    Model shallow(config);
    std::int64_t total = 0;
    for (const fovea::NamedParameter& p : fovea::parameters_of(shallow))
        total += (p.name.starts_with(prefix) ? depth : 1) * p.parameter->value.numel();
    return total;
}

}  // namespace test
