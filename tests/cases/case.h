// The op case table: what the gradient check, the device comparisons and the benchmarks run over.
//
// A case is one op (or one kernel) on inputs of given shapes. Its values are a function of its name
// alone, and exact in F32, so that every device and dtype starts from the same numbers.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/tensor.h"

namespace fovea::tests {

/// What an input is filled with.
enum class Values : unsigned char {
    Uniform,   ///< in [-1, 1)
    Positive,  ///< in [0.5, 1.5): divisors, variances
    Quarters,  ///< multiples of 1/4 in [-1, 1): many ties
    Shares,    ///< positive, every row of the last axis sums to one
    Labels     ///< I64 in [0, limit)
};

/// How an input lies in memory. What its view does not cover is NaN.
enum class Layout : unsigned char {
    Dense,
    Transposed,  ///< the last two axes are stored in the other order
    Sliced,      ///< part of rows that are three elements longer, from their second element on
    Repeated     ///< stride 0 along the first axis; has no gradient of its own
};

struct Input {
    Shape shape;
    Values values = Values::Uniform;
    bool differentiable = true;
    Layout layout = Layout::Dense;
    std::int64_t limit = 0;  ///< Values::Labels
    bool stays_f32 = false;  ///< also beside BF16 activations
};

/// The op under test; must not change its inputs.
using Builder = std::function<Tensor(const std::vector<Tensor>&)>;

struct Case {
    std::string name = {};  ///< unique: "linear 33x32->31"
    std::string op = {};    ///< public function in core/ops, or the kernel it calls directly
    std::vector<std::string> kernels = {};  ///< all kernels that forward and backward launch
    std::vector<Input> inputs = {};
    Builder build = {};
    double flops = 0.0;       ///< of forward
    double bytes = 0.0;       ///< of forward: every F32 input read once, the output written once
    std::int64_t terms = 1;   ///< longest sum, forward or backward: its rounding grows with it
    double cancelling = 0.0;  ///< size of what cancels where all gradients are zero by nature
    bool kinks = false;       ///< not differentiable everywhere (ReLU, maxima)
};

/// The whole table, family by family.
const std::vector<Case>& all_cases();

/// Forward arithmetic above which a case is sampled sparsely by the gradient check.
inline constexpr double kLargeFlops = 4e6;

/// How a run keeps its numbers.
struct Numbers {
    DType dtype = DType::F32;  ///< of floating inputs; parameters that stay F32 beside BF16 do so
    bool bf16_values = false;  ///< start from numbers that BF16 holds, as a BF16 run does anyway
    bool shifted = false;      ///< dense inputs begin one element late: not 16-byte aligned
};

/// Element i of input `index` of the case; exact in F32, and in BF16 if asked for.
double value_of(const Case& c, std::size_t index, std::int64_t i, bool bf16_values = false);

/// The case's inputs; floating ones in `numbers.dtype`, differentiable ones with requires_grad.
std::vector<Tensor> make_inputs(const Case& c, Device device, Numbers numbers);

/// Fixed pseudo-random weights in [-1, 1) of y's shape: the gradient that backward starts from.
Tensor make_seed(const Case& c, const Tensor& y, bool bf16_values = false);

/// Does the case have a BF16 form? Optimizers keep all their numbers in F32.
bool has_bf16_form(const Case& c);

}  // namespace fovea::tests
