// What a piece of code allocates through operator new, which this test program replaces.
#pragma once

#include <cstddef>

namespace fovea::test {

struct AllocationPeak {
    std::size_t largest = 0;  ///< bytes of the largest single allocation
    std::size_t live = 0;     ///< most bytes held at one time, beyond those held at the reset
};

void reset_allocation_peak();
AllocationPeak allocation_peak();

}  // namespace fovea::test
