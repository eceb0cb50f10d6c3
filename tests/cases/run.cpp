#include "tests/cases/run.h"

#include <algorithm>
#include <cstdlib>

#include "core/tape.h"

namespace fovea::tests {
namespace {

// Before the first allocation: fresh memory is all ones, which reads as NaN.
[[maybe_unused]] const int poisoned = setenv("FOVEA_POISON", "1", 1);

constexpr std::int64_t kGuard = 16;  // elements on each side; keeps buffers 64-byte aligned in F32
constexpr double kSentinel = 77.0;

/// A gradient buffer between sentinels, which starts from numbers of either sign.
class GuardedBuffer {
public:
    GuardedBuffer(const Tensor& like, bool shifted)
        : all_(Tensor::full({like.numel() + 2 * kGuard}, kSentinel, like.dtype(), like.device())),
          buffer_(Tensor::view_of(all_.storage(), kGuard - (shifted ? 1 : 0), like.shape(),
                                  contiguous_strides(like.shape()), like.dtype())) {
        std::vector<double> start(static_cast<std::size_t>(like.numel()));
        for (std::size_t i = 0; i < start.size(); ++i)
            start[i] = i % 2 == 0 ? kGivenGradient : -kGivenGradient;
        buffer_.copy_from(Tensor::from(start, like.shape(), like.dtype(), like.device()));
    }

    const Tensor& buffer() const { return buffer_; }
    bool intact() const {
        const std::vector<double> values = all_.to_vector();
        const auto is_sentinel = [](double x) { return x == kSentinel; };
        const auto begin = values.begin() + buffer_.offset();
        return std::all_of(values.begin(), begin, is_sentinel) &&
               std::all_of(begin + buffer_.numel(), values.end(), is_sentinel);
    }

private:
    Tensor all_, buffer_;
};

/// Blocks are multiples of 64 bytes: is what lies behind the last element still poison?
bool slack_intact(const Tensor& t) {
    const auto used = static_cast<std::int64_t>(t.storage()->bytes());
    const std::int64_t slack = std::max<std::int64_t>(1, (used + 63) / 64) * 64 - used;
    const Tensor bytes = Tensor::view_of(t.storage(), used, {slack}, {1}, DType::U8);
    const std::vector<double> values = bytes.to_vector();
    return std::all_of(values.begin(), values.end(), [](double b) { return b == 255.0; });
}

/// Everything of the storage that the inputs lie in, NaN as 0 so that values compare.
std::vector<double> snapshot(const std::vector<Tensor>& inputs) {
    std::vector<double> values;
    for (const Tensor& input : inputs) {
        const auto n = static_cast<std::int64_t>(input.storage()->bytes() / size_of(input.dtype()));
        for (const double x :
             Tensor::view_of(input.storage(), 0, {n}, {1}, input.dtype()).to_vector())
            values.push_back(x == x ? x : 0.0);
    }
    return values;
}

}  // namespace

Run run_case(const Case& c, Device device, Numbers numbers, Gradients gradients) {
    const std::vector<Tensor> inputs = make_inputs(c, device, numbers);
    const std::vector<double> before = snapshot(inputs);
    std::vector<GuardedBuffer> buffers;
    if (gradients == Gradients::Given)
        for (const Tensor& input : inputs)
            if (input.requires_grad()) {
                buffers.emplace_back(input, numbers.shifted);
                input.set_grad(buffers.back().buffer());
            }

    Run run;
    Tape tape;
    const Tensor y = c.build(inputs);
    run.output = y.to_vector();
    run.output_dtype = y.dtype();
    run.surroundings_intact = slack_intact(y);
    if (y.requires_grad())
        tape.backward_from(y, make_seed(c, y, numbers.bf16_values || numbers.dtype == DType::BF16));
    for (const Tensor& input : inputs) {
        const Tensor& g = input.grad();
        run.gradients.push_back(g.defined() ? g.to_vector() : std::vector<double>());
        run.gradient_dtypes.push_back(g.defined() ? g.dtype() : input.dtype());
        if (g.defined() && buffers.empty())
            run.surroundings_intact = run.surroundings_intact && slack_intact(g);
    }
    for (const GuardedBuffer& buffer : buffers)
        run.surroundings_intact = run.surroundings_intact && buffer.intact();
    run.inputs_intact = snapshot(inputs) == before;
    return run;
}

}  // namespace fovea::tests
