// Can the gradient check fail? An identity whose backward is off by a thousandth is put behind, and
// before, one op of every kind: the check must notice each, and must not notice the exact identity.
#include <catch2/catch.hpp>

#include <algorithm>
#include <map>

#include "core/ops/elementwise.h"
#include "core/tape.h"
#include "tests/cases/gradient_check.h"

using namespace fovea;
using namespace fovea::tests;

namespace {

/// y = x, dx = factor dy.
struct ScaledBackward : Node {
    const char* name() const override { return "scaled_backward"; }

    Tensor forward(const Tensor& x, double factor) {
        dx_ = sink(x);
        factor_ = factor;
        return Tensor::view_of(x.storage(), x.offset(), x.shape(), x.strides(), x.dtype());
    }

    void backward(const Tensor& dy) override {
        const NoGrad no_recording;
        dx_.add(ops::scale(dy, factor_));
    }

private:
    GradSink dx_;
    double factor_ = 1.0;
};

/// The case with a wrong factor in the gradient of its output.
Case behind(Case c, double factor) {
    c.build = [build = c.build, factor](const std::vector<Tensor>& in) {
        return apply<ScaledBackward>(build(in), factor);
    };
    return c;
}

/// The case with a wrong factor in the gradient of one input.
Case before(Case c, std::size_t index, double factor) {
    c.build = [build = c.build, index, factor](std::vector<Tensor> in) {
        in[index] = apply<ScaledBackward>(in[index], factor);
        return build(in);
    };
    return c;
}

/// One case of every op: the first one that is cheap and whose gradients are not trivially zero.
std::vector<Case> one_of_each() {
    std::map<std::string, const Case*> chosen;
    for (const Case& c : all_cases()) {
        bool usable = c.flops < 1e5 && !c.inputs.empty() && c.inputs[0].differentiable;
        for (const Input& input : c.inputs)
            usable = usable && input.shape.numel() > 8 && input.shape.numel() < 2000 &&
                     input.shape[-1] > 1;
        if (usable) chosen.try_emplace(c.op, &c);
    }
    std::vector<Case> cases;
    for (const auto& [op, c] : chosen) cases.push_back(*c);
    return cases;
}

}  // namespace

TEST_CASE("a backward off by a thousandth fails the gradient check", "[mutation]") {
    const std::vector<Case> cases = one_of_each();
    CHECK(cases.size() >= 25);  // ops, not cases
    for (const Case& c : cases) {
        INFO(c.name);
        CHECK(check_gradient(behind(c, 1.0)).passed());
        CHECK_FALSE(check_gradient(behind(c, 1.001)).passed());
        for (std::size_t index = 0; index < c.inputs.size(); ++index) {
            if (!c.inputs[index].differentiable) continue;
            INFO("input " << index);
            CHECK(check_gradient(before(c, index, 1.0)).passed());
            CHECK_FALSE(check_gradient(before(c, index, 1.001)).passed());
        }
    }
}

TEST_CASE("a gradient that never arrives fails the gradient check", "[mutation]") {
    std::vector<Case> cases = one_of_each();
    const auto found = std::find_if(cases.begin(), cases.end(),
                                    [](const Case& candidate) { return candidate.op == "mul"; });
    REQUIRE(found != cases.end());
    Case c = *found;
    c.build = [build = c.build](std::vector<Tensor> in) {
        in[0] = in[0].clone();  // not recorded: the way back ends here
        return build(in);
    };
    CHECK_FALSE(check_gradient(c).passed());
}
