// Every case on a CUDA device against the reference device in F64: F32 and BF16, fresh and given
// gradients, aligned and one element off.
//
// F32: the bound of the CPU's test, 4 times the error of a plain F32 loop. BF16: storage alone rounds
// by 2^-8 of a number; twice that, of the largest number of the tensor, is allowed. F32 results of a
// BF16 run (gradients of biases, losses) start from the same BF16 numbers, so for them the F32 bound
// holds with what was stored in BF16 between forward and backward on top.
#include <algorithm>
#include <cmath>

#include "kernels/include/gpu.h"
#include "tests/cases/distance.h"
#include "tests/cases/register.h"
#include "tests/cases/run.h"

using namespace fovea;
using namespace fovea::tests;

namespace {

constexpr double kF32Factor = 4.0, kF32Rounding = 0x1p-24;
constexpr double kBf16Factor = 2.0, kBf16Rounding = 0x1p-8;

/// added_to: size of what a sum was added to, which rounds too.
void compare(const Case& c, DType dtype, const std::vector<double>& got,
             const std::vector<double>& plain, const std::vector<double>& exact, double added_to) {
    const double size = std::max({largest(exact), c.cancelling, added_to});
    const double loop =
        distance(plain, exact) +
        kF32Rounding * std::sqrt(static_cast<double>(std::max<std::int64_t>(c.terms, 1))) * size;
    double bound = kF32Factor * loop;
    if (dtype == DType::BF16) bound += kBf16Factor * kBf16Rounding * size;
    const double error = distance(got, exact);
    INFO("error " << error << ", bound " << bound << ", largest " << largest(exact));
    CHECK(error <= bound);
}

void check(const Case& c, DType dtype, Gradients gradients, bool shifted) {
    const bool bf16 = dtype == DType::BF16;
    const Run exact = run_case(c, Device::reference(), {DType::F64, bf16}, gradients);
    const Run plain = run_case(c, Device::reference(), {DType::F32, bf16}, gradients);
    const Run got = run_case(c, Device::cuda(), {dtype, bf16, shifted}, gradients);
    {
        INFO("forward");
        compare(c, dtype, got.output, plain.output, exact.output, 0.0);
    }
    for (std::size_t i = 0; i < got.gradients.size(); ++i) {
        INFO("gradient of input " << i);
        compare(c, dtype, got.gradients[i], plain.gradients[i], exact.gradients[i],
                gradients == Gradients::Given ? kGivenGradient : 0.0);
    }
    CHECK(got.inputs_intact);
    CHECK(got.surroundings_intact);
}

void check_all(const Case& c) {
    for (const DType dtype : {DType::F32, DType::BF16}) {
        if (dtype == DType::BF16 && !has_bf16_form(c)) continue;
        INFO(name_of(dtype));
        check(c, dtype, Gradients::Fresh, false);
        INFO("one element off" << (differentiable(c) ? ", into given gradients" : ""));
        check(c, dtype, differentiable(c) ? Gradients::Given : Gradients::Fresh, true);
    }
}

[[maybe_unused]] const bool registered = register_cases(
    "cuda vs reference", "[cuda_vs_reference]", [](const Case&) { return true; }, check_all);

}  // namespace

TEST_CASE("there is a device to test on", "[cuda_vs_reference]") {
    INFO(gpu::obstacle());
    REQUIRE(gpu::count() > 0);
    REQUIRE(gpu::obstacle().empty());
}
