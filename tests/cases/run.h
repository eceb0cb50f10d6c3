// One run of a case: its output and gradients, and whether memory around them stayed as it was.
#pragma once

#include "tests/cases/case.h"

namespace fovea::tests {

/// Where gradients go.
enum class Gradients : unsigned char {
    Fresh,  ///< new tensors: backward kernels overwrite
    Given   ///< buffers that already hold numbers, between sentinels: backward kernels accumulate
};

/// Size of the numbers that given gradients start from.
inline constexpr double kGivenGradient = 0.5;

struct Run {
    std::vector<double> output;
    std::vector<std::vector<double>> gradients;  ///< one per input; empty where there is none
    DType output_dtype = DType::F32;
    std::vector<DType> gradient_dtypes;
    bool inputs_intact = true;        ///< forward and backward wrote to no input
    bool surroundings_intact = true;  ///< nor beside the output and the gradients
};

/// Forward and, where an input wants it, backward.
Run run_case(const Case& c, Device device, Numbers numbers, Gradients gradients);

}  // namespace fovea::tests
