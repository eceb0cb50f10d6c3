// Every differentiable case against central differences, on the reference device in F64.
#include <cstdlib>

#include "tests/cases/gradient_check.h"
#include "tests/cases/register.h"

using namespace fovea::tests;

namespace {

void check(const Case& c) {
    const GradientReport report = check_gradient(c);
    INFO("worst at " << report.worst << "; " << report.left_out << " of "
                     << report.checked + report.left_out << " entries left out at kinks, "
                     << report.directions << " directions");
    CHECK(report.error < kGradientTolerance);
    CHECK(report.passed());
}

// Before the first allocation: fresh memory is NaN.
[[maybe_unused]] const int poisoned = setenv("FOVEA_POISON", "1", 1);
[[maybe_unused]] const bool registered =
    register_cases("gradient", "[gradients]", differentiable, check);

}  // namespace
