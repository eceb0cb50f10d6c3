// The largest single allocation through operator new, which this test program replaces.
#pragma once

#include <cstddef>

namespace fovea::test {

void reset_allocation_peak();
std::size_t allocation_peak();

}  // namespace fovea::test
