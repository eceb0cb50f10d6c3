#include "tests/cases/gradient_check.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/tape.h"
#include "kernels/include/philox.h"

namespace fovea::tests {
namespace {

using Values64 = std::vector<double>;

constexpr double kStep = 1e-5;
constexpr std::int64_t kAllEntries = 2000;
/// A smaller denominator would measure the rounding of the differences themselves.
constexpr double kSmallestGradient = 1e-4;

/// One case's inputs, and its scalar function of them.
class Function {
public:
    explicit Function(const Case& c)
        : case_(c), inputs_(make_inputs(c, Device::reference(), {DType::F64})) {}

    /// Gradients by the tape; empty where an input has none. Also fixes the weights.
    std::vector<Values64> backward() {
        Tape tape;
        const Tensor y = case_.build(inputs_);
        const Tensor seed = make_seed(case_, y);
        weights_ = seed.to_vector();
        tape.backward_from(y, seed);
        std::vector<Values64> gradients;
        for (const Tensor& input : inputs_)
            gradients.push_back(input.grad().defined() ? input.grad().to_vector() : Values64());
        return gradients;
    }

    /// Slope at the inputs when input `index` moves along `direction` by up to `step`.
    double slope(std::size_t index, const Values64& at, const Values64& direction, double step) {
        const Values64 above = evaluate(index, at, direction, step);
        const Values64 below = evaluate(index, at, direction, -step);
        double sum = 0.0;  // of differences: f itself would cost digits
        for (std::size_t i = 0; i < weights_.size(); ++i)
            sum += weights_[i] * (above[i] - below[i]);
        return sum / (2.0 * step);
    }

    /// The same along one element.
    double slope(std::size_t index, const Values64& at, std::int64_t element, double step) {
        Values64 direction(at.size(), 0.0);
        direction[static_cast<std::size_t>(element)] = 1.0;
        return slope(index, at, direction, step);
    }

    Values64 values(std::size_t index) const { return inputs_[index].to_vector(); }

private:
    Values64 evaluate(std::size_t index, const Values64& at, const Values64& direction,
                      double step) {
        Values64 moved = at;
        for (std::size_t i = 0; i < moved.size(); ++i) moved[i] += step * direction[i];
        set(index, moved);
        const Values64 y = case_.build(inputs_).to_vector();
        set(index, at);
        return y;
    }
    void set(std::size_t index, const Values64& values) {
        const Tensor& input = inputs_[index];
        input.copy_from(Tensor::from(values, input.shape(), DType::F64, Device::reference()));
    }

    const Case& case_;
    std::vector<Tensor> inputs_;
    Values64 weights_;
};

/// Which elements of n to look at: all, or `samples` spread pseudo-randomly.
std::vector<std::int64_t> entries_of(std::int64_t n, std::int64_t samples) {
    std::vector<std::int64_t> entries;
    if (n < kAllEntries && samples >= 200) {
        for (std::int64_t i = 0; i < n; ++i) entries.push_back(i);
        return entries;
    }
    const RandomSite site{20240501};
    for (std::int64_t i = 0; i < samples; ++i)
        entries.push_back(site.bits_of(static_cast<std::uint64_t>(i)) % n);
    return entries;
}

/// Random signs: a direction that no element can hide in.
Values64 random_direction(std::size_t n, int number) {
    const RandomSite site{20240502, RandomStream::Init, static_cast<std::uint32_t>(number)};
    Values64 direction(n);
    for (std::size_t i = 0; i < n; ++i) direction[i] = site.bits_of(i) & 1u ? 1.0 : -1.0;
    return direction;
}

void note(GradientReport& report, double error, std::size_t index, const std::string& where) {
    if (std::isnan(error)) error = std::numeric_limits<double>::infinity();
    if (!(error > report.error)) return;
    report.error = error;
    report.worst = "input " + std::to_string(index) + ", " + where;
}

void check_entries(Function& f, GradientReport& report, std::size_t index, const Values64& gradient,
                   double largest, std::int64_t samples, bool kinks) {
    const Values64 at = f.values(index);
    for (const std::int64_t i : entries_of(static_cast<std::int64_t>(at.size()), samples)) {
        const double step = kStep * std::max(1.0, std::abs(at[static_cast<std::size_t>(i)]));
        const double measured = f.slope(index, at, i, step);
        if (kinks) {
            const double finer = f.slope(index, at, i, step / 10.0);
            if (std::abs(finer - measured) > kGradientTolerance * largest) {
                ++report.left_out;
                continue;
            }
        }
        ++report.checked;
        note(report, std::abs(measured - gradient[static_cast<std::size_t>(i)]) / largest, index,
             "entry " + std::to_string(i));
    }
}

void check_directions(Function& f, GradientReport& report, std::size_t index,
                      const Values64& gradient, double largest, int directions) {
    const Values64 at = f.values(index);
    for (int d = 0; d < directions; ++d) {
        const Values64 direction = random_direction(at.size(), d);
        double expected = 0.0;
        for (std::size_t i = 0; i < at.size(); ++i) expected += gradient[i] * direction[i];
        const double measured = f.slope(index, at, direction, kStep);
        ++report.directions;
        note(report, std::abs(measured - expected) / std::max(largest, std::abs(expected)), index,
             "direction " + std::to_string(d));
    }
}

}  // namespace

bool GradientReport::passed() const {
    return error < kGradientTolerance &&
           static_cast<double>(left_out) <= kKinkShare * static_cast<double>(checked + left_out);
}

GradientReport check_gradient(const Case& c) {
    GradientReport report;
    Function f(c);
    const std::vector<Values64> gradients = f.backward();
    const bool large = c.flops > kLargeFlops;
    for (std::size_t index = 0; index < c.inputs.size(); ++index) {
        if (!c.inputs[index].differentiable || c.inputs[index].shape.numel() == 0) continue;
        const Values64& gradient = gradients[index];
        if (gradient.empty()) {
            note(report, std::numeric_limits<double>::infinity(), index, "which got no gradient");
            continue;
        }
        double largest = kSmallestGradient;
        for (const double g : gradient) largest = std::max(largest, std::abs(g));
        check_entries(f, report, index, gradient, largest, large ? 8 : 200, c.kinks);
        // A direction crosses many kinks at once: then only single entries can be judged.
        if (!c.kinks && (large || c.inputs[index].shape.numel() >= kAllEntries))
            check_directions(f, report, index, gradient, largest, large ? 4 : 20);
    }
    return report;
}

}  // namespace fovea::tests
