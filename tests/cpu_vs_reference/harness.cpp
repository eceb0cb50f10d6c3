// The harness itself can fail: it sees a write beside the output, beside a gradient, to an input.
#include <catch2/catch.hpp>

#include "core/tape.h"
#include "tests/cases/run.h"

using namespace fovea;
using namespace fovea::tests;

namespace {

/// A copy whose forward or backward also writes the element behind its result.
struct Overrun : Node {
    const char* name() const override { return "overrun"; }

    Tensor forward(const Tensor& x, bool in_forward, bool in_backward) {
        dx_ = sink(x);
        in_backward_ = in_backward;
        const Tensor y = x.clone();
        if (in_forward) y.data<float>()[y.numel()] = 1.0F;
        return y;
    }

    void backward(const Tensor& dy) override {
        const GradSink::Buffer dx = dx_.open();
        for (std::int64_t i = 0; i < dy.numel(); ++i) dx.view.as<float>()[i] = dy.data<float>()[i];
        if (in_backward_) dx.view.as<float>()[dy.numel()] = 1.0F;
    }

private:
    bool in_backward_ = false;
    GradSink dx_;
};

Case overrun(bool in_forward, bool in_backward) {
    Case c;
    c.name = "overrun";
    c.inputs = {{{33}}};
    c.build = [=](const auto& in) { return apply<Overrun>(in[0], in_forward, in_backward); };
    return c;
}

Run run(const Case& c, Gradients gradients) {
    return run_case(c, Device::cpu(), {DType::F32}, gradients);
}

}  // namespace

TEST_CASE("a write beside the output or a gradient is seen", "[cpu_vs_reference]") {
    for (const Gradients gradients : {Gradients::Fresh, Gradients::Given}) {
        CHECK(run(overrun(false, false), gradients).surroundings_intact);
        CHECK_FALSE(run(overrun(true, false), gradients).surroundings_intact);
        CHECK_FALSE(run(overrun(false, true), gradients).surroundings_intact);
    }
}

TEST_CASE("a write to an input is seen", "[cpu_vs_reference]") {
    Case c = overrun(false, false);
    c.build = [](const auto& in) {
        in[0].template data<float>()[3] = 9.0F;
        return in[0].clone();
    };
    CHECK_FALSE(run(c, Gradients::Fresh).inputs_intact);
}

TEST_CASE("an element that nobody writes reads as NaN", "[cpu_vs_reference]") {
    Case c = overrun(false, false);
    c.build = [](const auto& in) {
        return Tensor::empty(in[0].shape(), in[0].dtype(), in[0].device());
    };
    for (const double x : run(c, Gradients::Fresh).output) CHECK(x != x);
}
