// Gradients by central differences on the reference device in double precision.
#pragma once

#include <string>

#include "tests/cases/case.h"

namespace fovea::tests {

/// Allowed error of a gradient, relative to the largest one of the same input.
inline constexpr double kGradientTolerance = 1e-6;
/// Share of the entries that may be left out because they sit on a kink.
inline constexpr double kKinkShare = 0.01;

struct GradientReport {
    double error = 0.0;         ///< worst over inputs of max error / max |gradient|
    std::string worst;          ///< where: "input 1, entry 17"
    std::int64_t checked = 0;   ///< entries compared
    std::int64_t left_out = 0;  ///< entries at kinks, where two steps disagree
    int directions = 0;         ///< random directions compared

    bool passed() const;
};

/// Compares the gradients of f = sum(weights * build(inputs)) with (f(x+h) - f(x-h)) / 2h,
/// h = 1e-5 max(1, |x|): every entry of inputs below 2,000 elements, otherwise 200 entries and 20
/// random directions (8 and 4 above kLargeFlops).
GradientReport check_gradient(const Case& c);

}  // namespace fovea::tests
