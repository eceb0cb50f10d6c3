// Every case on the CPU device in F32 against the reference device in F64, forward and gradients,
// with one thread and with two.
//
// Bound on the largest error of a tensor: 4 times that of a plain F32 loop. The reference kernels
// run in F32 give the part of it that comes from storing results (they sum in double); a plain loop
// over `terms` numbers adds about 2^-24 sqrt(terms) of the largest result.
#include <omp.h>

#include <algorithm>
#include <cmath>

#include "tests/cases/distance.h"
#include "tests/cases/register.h"
#include "tests/cases/run.h"

using namespace fovea;
using namespace fovea::tests;

namespace {

constexpr double kFactor = 4.0;
constexpr double kRounding = 0x1p-24;

/// added_to: size of what a sum was added to, which rounds too.
void compare(const Case& c, const std::vector<double>& got, const std::vector<double>& plain,
             const std::vector<double>& exact, double added_to) {
    const double rounding = kRounding *
                            std::sqrt(static_cast<double>(std::max<std::int64_t>(c.terms, 1))) *
                            std::max({largest(exact), c.cancelling, added_to});
    const double yardstick = distance(plain, exact) + rounding;
    const double error = distance(got, exact);
    INFO("error " << error << ", plain loop " << yardstick << ", ratio " << error / yardstick);
    CHECK(error <= kFactor * yardstick);
}

void check_device(const Case& c, Gradients gradients, const Run& plain, const Run& exact) {
    const Run got = run_case(c, Device::cpu(), {DType::F32}, gradients);
    {
        INFO("forward");
        compare(c, got.output, plain.output, exact.output, 0.0);
    }
    for (std::size_t i = 0; i < got.gradients.size(); ++i) {
        INFO("gradient of input " << i);
        compare(c, got.gradients[i], plain.gradients[i], exact.gradients[i],
                gradients == Gradients::Given ? kGivenGradient : 0.0);
    }
    CHECK(got.inputs_intact);
    CHECK(got.surroundings_intact);
    const Run again = run_case(c, Device::cpu(), {DType::F32}, gradients);
    CHECK(same_bits(got.output, again.output));
    for (std::size_t i = 0; i < got.gradients.size(); ++i)
        CHECK(same_bits(got.gradients[i], again.gradients[i]));
}

void check(const Case& c) {
    for (const Gradients gradients : {Gradients::Fresh, Gradients::Given}) {
        if (gradients == Gradients::Given && !differentiable(c)) continue;
        INFO((gradients == Gradients::Given ? "into given gradients" : "fresh gradients"));
        const Run exact = run_case(c, Device::reference(), {DType::F64}, gradients);
        const Run plain = run_case(c, Device::reference(), {DType::F32}, gradients);
        CHECK(exact.inputs_intact);
        CHECK(plain.surroundings_intact);
        for (const int threads : {1, 2}) {
            INFO(threads << " threads");
            omp_set_num_threads(threads);
            check_device(c, gradients, plain, exact);
        }
    }
}

[[maybe_unused]] const bool registered = register_cases(
    "cpu vs reference", "[cpu_vs_reference]", [](const Case&) { return true; }, check);

}  // namespace
