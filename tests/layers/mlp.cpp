// The perceptron of a transformer block: one op for its second half must change nothing but speed.
#include "layers/mlp.h"

#include <catch2/catch.hpp>

#include "core/error.h"
#include "core/ops/elementwise.h"
#include "core/tape.h"
#include "layers/init.h"

using namespace fovea;

namespace {

constexpr std::int64_t kWidth = 6, kHidden = 20;

struct Result {
    std::vector<double> y;
    std::vector<std::vector<double>> gradients;  ///< of x, then of the parameters
};

struct Subject {
    Mlp mlp;
    Tensor x;

    Subject(Device device, DType dtype, double dropout)
        : mlp(kWidth, kHidden, Unary::GeluErf, dropout), x(Tensor::zeros({3, 5, kWidth})) {
        assign_sites(mlp);
        for (const NamedParameter& p : parameters_of(mlp))
            init::uniform(p.parameter->value, 1.0, init::site_of(1, p.name));
        init::uniform(x, 1.0, init::site_of(1, "x"));
        move_to(mlp, device, dtype);
        x = x.to(device).to(dtype).set_requires_grad();
    }

    template <class Forward>
    Result run(Forward forward) {
        Tape tape;
        const Tensor y = forward(mlp, x);
        const Tensor dy = Tensor::zeros(y.shape());
        init::uniform(dy, 1.0, init::site_of(1, "dy"));
        tape.backward_from(y, dy.to(y.device()).to(y.dtype()));
        Result result{y.to_vector(), {x.grad().to_vector()}};
        x.clear_grad();
        for (const NamedParameter& p : parameters_of(mlp)) {
            result.gradients.push_back(p.parameter->value.grad().to_vector());
            p.parameter->value.clear_grad();
        }
        return result;
    }
};

Tensor of_parts(const Mlp& mlp, const Tensor& x, const Pass& pass) {
    const Tensor hidden = ops::unary(mlp.fc1.forward(x), mlp.activation);
    return mlp.drop2.forward(mlp.fc2.forward(mlp.drop1.forward(hidden, pass)), pass);
}

}  // namespace

TEST_CASE("an MLP has the bits of its parts, forward and backward, with and without dropout") {
    const double rate = GENERATE(0.0, 0.5);
    const bool training = GENERATE(false, true);
    const auto [device, dtype] =
        GENERATE(std::pair{Device::reference(), DType::F64}, std::pair{Device::cpu(), DType::F32});
    CAPTURE(rate, training, name_of(dtype));
    const Pass pass{training, 42, 3};
    Subject subject(device, dtype, rate);
    const Result whole =
        subject.run([&](const Mlp& mlp, const Tensor& x) { return mlp.forward(x, pass); });
    const Result parts =
        subject.run([&](const Mlp& mlp, const Tensor& x) { return of_parts(mlp, x, pass); });
    CHECK(whole.y == parts.y);
    REQUIRE(whole.gradients.size() == 5);
    for (std::size_t i = 0; i < whole.gradients.size(); ++i) {
        INFO("gradient " << i);
        CHECK(whole.gradients[i] == parts.gradients[i]);
    }
}

TEST_CASE("an MLP records one op for its second half, and no activation of its own") {
    Subject subject(Device::cpu(), DType::F32, 0.5);
    Tape tape;
    subject.mlp.forward(subject.x, Pass{});  // no dropout: linear, activated_linear
    CHECK(tape.size() == 2);
    subject.mlp.forward(subject.x, Pass{true});  // linear, unary, dropout, linear, dropout
    CHECK(tape.size() == 7);
}

TEST_CASE("without a tape an MLP gives the same, with f in the first layer") {
    Subject subject(Device::reference(), DType::F64, 0.0);
    const Result recorded =
        subject.run([](const Mlp& mlp, const Tensor& x) { return mlp.forward(x, Pass{}); });
    const std::vector<double> y = subject.mlp.forward(subject.x, Pass{}).to_vector();
    CHECK(y == recorded.y);
}

TEST_CASE("gradients of an MLP whose layers are partly frozen") {
    Subject subject(Device::reference(), DType::F64, 0.0);
    const auto forward = [](const Mlp& mlp, const Tensor& x) { return mlp.forward(x, Pass{}); };
    const Result all = subject.run(forward);
    Mlp& mlp = subject.mlp;
    const auto backward = [&] {
        Tape tape;
        const Tensor y = forward(mlp, subject.x);
        const Tensor dy = Tensor::zeros(y.shape());
        init::uniform(dy, 1.0, init::site_of(1, "dy"));
        tape.backward_from(y, dy.to(y.device()).to(y.dtype()));
    };
    SECTION("the second layer") {
        mlp.fc2.weight.value.set_requires_grad(false);
        mlp.fc2.bias.value.set_requires_grad(false);
        backward();
        CHECK(subject.x.grad().to_vector() == all.gradients[0]);
        CHECK(mlp.fc1.weight.value.grad().to_vector() == all.gradients[1]);
        CHECK_FALSE(mlp.fc2.weight.value.grad().defined());
    }
    SECTION("the input and the first layer") {
        subject.x.set_requires_grad(false);
        mlp.fc1.weight.value.set_requires_grad(false);
        mlp.fc1.bias.value.set_requires_grad(false);
        backward();
        CHECK(mlp.fc2.weight.value.grad().to_vector() == all.gradients[3]);
        CHECK(mlp.fc2.bias.value.grad().to_vector() == all.gradients[4]);
        CHECK_FALSE(mlp.fc1.weight.value.grad().defined());
    }
    SECTION("all but the second layer's bias") {
        subject.x.set_requires_grad(false);
        for (const NamedParameter& p : parameters_of(mlp))
            p.parameter->value.set_requires_grad(p.name == "fc2.bias");
        backward();
        CHECK(mlp.fc2.bias.value.grad().to_vector() == all.gradients[4]);
    }
}

TEST_CASE("activated_linear notices that its input was written to before backward") {
    const Tensor pre = Tensor::full({4, 3}, 0.5).set_requires_grad();
    const Tensor w = Tensor::full({2, 3}, 0.25);
    Tape tape;
    const Tensor y = ops::activated_linear(pre, w, Tensor(), Unary::Silu);
    pre.fill(1.0);
    CHECK_THROWS_AS(tape.backward_from(y, Tensor::full({4, 2}, 1.0)), Error);
}
