#include "tests/cpu_vs_reference/run.h"

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
    explicit GuardedBuffer(const Tensor& like)
        : all_(Tensor::full({like.numel() + 2 * kGuard}, kSentinel, like.dtype(), like.device())),
          buffer_(Tensor::view_of(all_.storage(), kGuard, like.shape(),
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
        return std::all_of(values.begin(), values.begin() + kGuard, is_sentinel) &&
               std::all_of(values.end() - kGuard, values.end(), is_sentinel);
    }

private:
    Tensor all_, buffer_;
};

/// Blocks are multiples of 64 bytes: is what lies behind the last element still poison?
bool slack_intact(const Tensor& t) {
    const std::size_t used = t.storage()->bytes();
    const auto* bytes = static_cast<const unsigned char*>(t.storage()->data());
    const std::size_t end = std::max<std::size_t>(1, (used + 63) / 64) * 64;
    return std::all_of(bytes + used, bytes + end, [](unsigned char b) { return b == 0xFF; });
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

Run run_case(const Case& c, Device device, DType dtype, Gradients gradients) {
    const std::vector<Tensor> inputs = make_inputs(c, device, dtype);
    const std::vector<double> before = snapshot(inputs);
    std::vector<GuardedBuffer> buffers;
    if (gradients == Gradients::Given)
        for (const Tensor& input : inputs)
            if (input.requires_grad()) {
                buffers.emplace_back(input);
                input.set_grad(buffers.back().buffer());
            }

    Run run;
    Tape tape;
    const Tensor y = c.build(inputs);
    run.output = y.to_vector();
    run.surroundings_intact = slack_intact(y);
    if (y.requires_grad()) tape.backward_from(y, make_seed(c, y));
    for (const Tensor& input : inputs) {
        const Tensor& g = input.grad();
        run.gradients.push_back(g.defined() ? g.to_vector() : std::vector<double>());
        if (g.defined() && buffers.empty())
            run.surroundings_intact = run.surroundings_intact && slack_intact(g);
    }
    for (const GuardedBuffer& buffer : buffers)
        run.surroundings_intact = run.surroundings_intact && buffer.intact();
    run.inputs_intact = snapshot(inputs) == before;
    return run;
}

}  // namespace fovea::tests
