// The gradient of whole models in double precision against central differences: what checks of single
// ops cannot see, the composition.
#include <catch2/catch.hpp>
#include <cmath>

#include "models/alexnet.h"
#include "tests/models/sample.h"

using namespace fovea;

namespace {

constexpr double kTolerance = 1e-6;

/// Smallest error of slopes taken with three steps: a ReLU or a maximum that tips over between the two
/// points of a large step does not between those of a small one. A wrong gradient is wrong with all.
template <class Error>
double over_steps(double largest, const Error& error) {
    double best = error(largest);
    for (const double step : {largest / 10, largest / 100})
        if (best >= kTolerance) best = std::min(best, error(step));
    return best;
}

/// A model with a batch of four; the loss as a function of the parameters.
class Checked {
public:
    Checked(std::unique_ptr<Classifier> model, const Pass& pass)
        : model_(std::move(model)), pass_(pass) {
        test::shake(*model_, 5);
        move_to(*model_, Device::reference(), DType::F64);
        const Shape image = model_->input_shape();
        images_ =
            test::pictures({4, image[0], image[1], image[2]}, DType::F64, Device::reference());
        labels_ = test::labels(4, model_->classes(), Device::reference());
        {
            Tape tape;
            tape.backward(test::loss_of(*model_, images_, labels_, pass_));
        }
        for (const NamedParameter& p : parameters_of(*model_)) {
            parameters_.push_back(p);
            REQUIRE(p.parameter->value.grad().defined());
            gradients_.push_back(p.parameter->value.grad().to_vector());
            for (const double g : gradients_.back()) largest_ = std::max(largest_, std::abs(g));
        }
    }

    std::size_t count() const { return parameters_.size(); }
    const std::string& name(std::size_t i) const { return parameters_[i].name; }

    /// Worst error over `entries` entries of parameter i, relative to its largest gradient. Some are
    /// zero by symmetry (a key's bias moves all scores alike): those are held against the model's.
    double error(std::size_t i, int entries) {
        const std::vector<double>& gradient = gradients_[i];
        double scale = 1e-3 * largest_, worst = 0.0;
        for (const double g : gradient) scale = std::max(scale, std::abs(g));
        for (int k = 0; k < entries; ++k) {
            const std::size_t at = site(i).bits_of(static_cast<std::uint64_t>(k)) % gradient.size();
            std::vector<double> direction(gradient.size(), 0.0);
            direction[at] = 1.0;
            worst = std::max(worst, over_steps(1e-5, [&](double step) {
                                 const double slope =
                                     (moved(i, direction, step) - moved(i, direction, -step)) /
                                     (2 * step);
                                 return std::abs(slope - gradient[at]) / scale;
                             }));
        }
        return worst;
    }

    /// Error along a direction of random signs through all parameters at once.
    double direction_error(int number) {
        std::vector<std::vector<double>> before, direction;
        double expected = 0.0, squares = 0.0;
        for (std::size_t i = 0; i < count(); ++i) {
            before.push_back(parameters_[i].parameter->value.to_vector());
            const RandomSite bits{static_cast<std::uint64_t>(100 + number), RandomStream::Init,
                                  static_cast<std::uint32_t>(i)};
            direction.emplace_back(before[i].size());
            for (std::size_t e = 0; e < before[i].size(); ++e) {
                direction[i][e] = bits.bits_of(e) & 1u ? 1.0 : -1.0;
                expected += direction[i][e] * gradients_[i][e];
                squares += gradients_[i][e] * gradients_[i][e];
            }
        }
        const auto loss_at = [&](double distance) {
            for (std::size_t i = 0; i < count(); ++i) set(i, before[i], direction[i], distance);
            return loss();
        };
        // All move at once: a smaller step keeps the curvature's share small.
        const double error = over_steps(1e-6, [&](double step) {
            const double slope = (loss_at(step) - loss_at(-step)) / (2 * step);
            return std::abs(slope - expected) / std::sqrt(squares);  // the norm: a typical slope
        });
        loss_at(0.0);
        return error;
    }

private:
    double loss() const { return test::loss_of(*model_, images_, labels_, pass_).item(); }
    void set(std::size_t i, const std::vector<double>& at, const std::vector<double>& direction,
             double distance) {
        std::vector<double> values = at;
        for (std::size_t e = 0; e < values.size(); ++e) values[e] += distance * direction[e];
        const Tensor& value = parameters_[i].parameter->value;
        value.copy_from(Tensor::from(values, value.shape(), DType::F64, Device::reference()));
    }
    double moved(std::size_t i, const std::vector<double>& direction, double distance) {
        const std::vector<double> before = parameters_[i].parameter->value.to_vector();
        set(i, before, direction, distance);
        const double value = loss();
        set(i, before, direction, 0.0);
        return value;
    }
    static RandomSite site(std::size_t i) {
        return {17, RandomStream::Init, static_cast<std::uint32_t>(i)};
    }

    std::unique_ptr<Classifier> model_;
    Pass pass_;
    Tensor images_, labels_;
    std::vector<NamedParameter> parameters_;
    std::vector<std::vector<double>> gradients_;
    double largest_ = 0.0;
};

void check(std::unique_ptr<Classifier> model, const Pass& pass, int entries, int directions) {
    Checked checked(std::move(model), pass);
    for (std::size_t i = 0; i < checked.count(); ++i) {
        CAPTURE(checked.name(i));
        if (entries > 0) CHECK(checked.error(i, entries) < kTolerance);
    }
    for (int d = 0; d < directions; ++d) {
        CAPTURE(d);
        CHECK(checked.direction_error(d) < kTolerance);
    }
}

void check_all(bool dropping, const Pass& pass, int entries) {
    for (const test::Small& small : test::kSmall) {
        CAPTURE(small.name);
        check(test::make_small(small, dropping), pass, entries, 20);
    }
}

}  // namespace

TEST_CASE("gradients in training, with dropout and drop-path") {
    // Their masks are functions of the step, so the loss is a function.
    check_all(true, {true, 9, 4}, 4);
}

TEST_CASE("gradients with the batch's statistics") { check_all(false, {true, 9, 4}, 1); }

TEST_CASE("gradients with running statistics") { check_all(false, {}, 0); }

TEST_CASE("the gradient of a simplified CvT: two embedding convolutions, packed qkv, mean head") {
    CvtConfig config = *cvt_preset("cvt_tiny");
    config.in_channels = 2;
    config.image_size[0] = 20;
    config.image_size[1] = 24;
    config.packed_qkv = config.scale_by_head_dim = config.mean_head = true;
    config.activation = Unary::GeluErf;
    for (CvtStageConfig& stage : config.stages) stage.conv_projection = stage.class_token = false;
    config.stages[0].embed = CvtEmbed::DoubleConv;
    config.dropout = 0.2;
    config.stages.back().drop_path = 0.4;
    check(std::make_unique<Cvt>(config), {true, 9, 4}, 1, 20);
}

TEST_CASE(
    "the gradient of an AlexNet with BatchNorm behind ReLU, pooled to 2x3 before flattening") {
    AlexNetConfig config = *alexnet_preset("alexnet_tiny");
    config.conv_norm = BatchNormPlace::AfterRelu;
    config.hidden_norm = true;
    config.adaptive_pool = GridSize{2, 3};
    config.dropout = {0.2, 0.2, 0.2};
    check(std::make_unique<AlexNet>(config), {true, 9, 4}, 1, 20);
}
