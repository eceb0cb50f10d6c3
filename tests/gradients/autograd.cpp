// The tape's promises: what is recorded, where gradients go, and what is caught.
#include <catch2/catch.hpp>

#include <cmath>
#include <cstdlib>

#include "core/error.h"
#include "core/ops/elementwise.h"
#include "core/ops/matmul.h"
#include "core/ops/reduce.h"
#include "core/ops/shape_ops.h"
#include "core/tape.h"

using namespace fovea;
using Catch::Matchers::Contains;

namespace {

Tensor leaf(const std::vector<double>& values, const Shape& shape) {
    Tensor t = Tensor::from(values, shape);
    t.set_requires_grad();
    return t;
}
Tensor leaf(const std::vector<double>& values) {
    return leaf(values, {static_cast<std::int64_t>(values.size())});
}

/// Sets an environment variable for a scope.
class Environment {
public:
    Environment(const char* name, const char* value) : name_(name) { setenv(name, value, 1); }
    ~Environment() { unsetenv(name_); }
    Environment(const Environment&) = delete;
    Environment& operator=(const Environment&) = delete;

private:
    const char* name_;
};

/// Code and message of the Error that f throws; empty if it throws none.
template <class F>
std::string error_of(F f) {
    try {
        f();
    } catch (const Error& e) {
        return e.code() + " " + e.message();
    }
    return "";
}

}  // namespace

TEST_CASE("without a tape nothing is recorded", "[autograd]") {
    const Tensor x = leaf({1, 2, 3});
    CHECK_FALSE(ops::relu(x).requires_grad());
    Tape tape;
    CHECK(ops::relu(x).requires_grad());
    CHECK(tape.size() == 1);
    {
        const NoGrad pause;
        CHECK_FALSE(ops::relu(x).requires_grad());
    }
    CHECK(tape.size() == 1);
    CHECK_FALSE(ops::relu(Tensor::from({1, 2}, {2})).requires_grad());  // wants no gradient
    CHECK(tape.size() == 1);
    CHECK(ops::relu(x).requires_grad());
}

TEST_CASE("an inner tape records alone", "[autograd]") {
    const Tensor x = leaf({1, 2, 3});
    Tape outer;
    {
        Tape inner;
        inner.backward(ops::sum(ops::scale(x, 2.0), {0}));
        CHECK(outer.size() == 0);
    }
    CHECK(Tape::current() == &outer);
    CHECK(x.grad().to_vector() == std::vector<double>{2, 2, 2});
}

TEST_CASE("two uses of one tensor add up", "[autograd]") {
    const Tensor x = leaf({1, -2, 3});
    Tape tape;
    const Tensor h = ops::scale(x, 3.0);
    // A residual: h reaches the sum directly and through relu.
    tape.backward(ops::sum(ops::add(h, ops::relu(h)), {0}), 0.5);
    CHECK(x.grad().to_vector() == std::vector<double>{3, 1.5, 3});
}

TEST_CASE("both inputs of an addition are the same tensor", "[autograd]") {
    const Tensor x = leaf({1, -2});
    Tape tape;
    tape.backward(ops::sum(ops::add(x, x), {0}));
    CHECK(x.grad().to_vector() == std::vector<double>{2, 2});
}

TEST_CASE("inputs of an addition do not share a gradient", "[autograd]") {
    // Backward gives dy itself to both; what a's second use adds must not show up in b.
    const Tensor a = leaf({1, 2}), b = leaf({3, 4});
    Tape tape;
    const Tensor twice = ops::scale(a, 10.0);
    tape.backward(ops::sum(ops::add(ops::add(a, b), twice), {0}));
    CHECK(a.grad().to_vector() == std::vector<double>{11, 11});
    CHECK(b.grad().to_vector() == std::vector<double>{1, 1});
}

TEST_CASE("a given gradient buffer is added into, step after step", "[autograd]") {
    const Tensor arena = Tensor::full({8}, 0.25);
    const Tensor w = leaf({1, 2, 3, 4, 5, 6}, {2, 3});
    w.set_grad(arena.slice(0, 1, 7).reshape({2, 3}));
    const Tensor x = Tensor::from({1, 10, 100}, {1, 3});
    for (int step = 1; step <= 2; ++step) {
        Tape tape;
        tape.backward(ops::sum(ops::linear(x, w, Tensor()), {0, 1}));
    }
    CHECK(arena.to_vector() ==
          std::vector<double>{0.25, 2.25, 20.25, 200.25, 2.25, 20.25, 200.25, 0.25});
    CHECK(w.grad().storage() == arena.storage());
}

TEST_CASE("a fixed weight buffer beside a fresh bias gradient", "[autograd]") {
    const Tensor w = leaf({1, 2}, {2, 1}), b = leaf({0, 0});
    w.set_grad(Tensor::full({2, 1}, 1.0));
    const Tensor x = Tensor::from({3, 4}, {2, 1});
    Tape tape;
    tape.backward(ops::sum(ops::linear(x, w, b), {0, 1}));
    CHECK(w.grad().to_vector() == std::vector<double>{8, 8});
    CHECK(b.grad().to_vector() == std::vector<double>{2, 2});
}

TEST_CASE("gradients accumulate over tapes until they are cleared", "[autograd]") {
    const Tensor x = leaf({1, 2});
    for (int step = 0; step < 3; ++step) {
        Tape tape;
        tape.backward(ops::sum(ops::scale(x, 2.0), {0}));
    }
    CHECK(x.grad().to_vector() == std::vector<double>{6, 6});
    x.clear_grad();
    CHECK_FALSE(x.grad().defined());
}

TEST_CASE("activations lose their gradient unless it is retained", "[autograd]") {
    const Tensor x = leaf({1, -2});
    Tape tape;
    const Tensor lost = ops::scale(x, 2.0);
    const Tensor kept = ops::relu(lost);
    kept.grad_slot()->retain = true;
    tape.backward(ops::sum(ops::scale(kept, 3.0), {0}));
    CHECK_FALSE(lost.grad().defined());
    CHECK(kept.grad().to_vector() == std::vector<double>{3, 3});
    CHECK(x.grad().to_vector() == std::vector<double>{6, 0});
}

TEST_CASE("a retained gradient is not changed by what comes later", "[autograd]") {
    const Tensor x = leaf({1, 2});
    Tape tape;
    const Tensor y = ops::add(x, x);  // passes dy on as it is, twice to the same input
    y.grad_slot()->retain = true;
    tape.backward(ops::sum(y, {0}));
    CHECK(y.grad().to_vector() == std::vector<double>{1, 1});
    CHECK(x.grad().to_vector() == std::vector<double>{2, 2});
}

TEST_CASE("writing to a saved tensor is an error in backward", "[autograd]") {
    const Tensor x = leaf({1, 2});
    SECTION("to the tensor itself") {
        Tape tape;
        const Tensor y = ops::mul(x, x);
        x.fill(5.0);
        const std::string error = error_of([&] { tape.backward(ops::sum(y, {0})); });
        CHECK_THAT(error, Contains("B02") && Contains("[2]"));
    }
    SECTION("through a view of it") {
        Tape tape;
        const Tensor y = ops::unary(x, Unary::Square);
        x.slice(0, 0, 1).fill(5.0);
        CHECK_THAT(error_of([&] { tape.backward(ops::sum(y, {0})); }), Contains("B02"));
    }
    SECTION("not where backward needs no value") {
        Tape tape;
        const Tensor y = ops::scale(x, 2.0);
        x.fill(5.0);
        tape.backward(ops::sum(y, {0}));
        CHECK(x.grad().to_vector() == std::vector<double>{2, 2});
    }
}

TEST_CASE("backward says what it needs", "[autograd]") {
    const Tensor x = leaf({1, 2});
    Tape tape;
    const Tensor y = ops::relu(x);
    CHECK_THAT(error_of([&] { tape.backward(y); }), Contains("B01") && Contains("[2]"));
    const Tensor constant = Tensor::from({1}, {1});
    CHECK_THAT(error_of([&] { tape.backward(constant); }), Contains("B03"));
    tape.backward_from(y, Tensor::from({3, 4}, {2}));
    CHECK(x.grad().to_vector() == std::vector<double>{3, 4});
    CHECK_THAT(error_of([&] { x.set_grad(Tensor::zeros({3})); }), Contains("[3] for [2]"));
}

TEST_CASE("a branch that leads nowhere costs nothing", "[autograd]") {
    const Tensor x = leaf({1, 2}), unused = leaf({1, 2});
    Tape tape;
    const Tensor dead = ops::unary(unused, Unary::Exp);
    tape.backward(ops::sum(x, {0}));
    CHECK_FALSE(unused.grad().defined());
    CHECK(x.grad().to_vector() == std::vector<double>{1, 1});
}

TEST_CASE("anomaly mode names the op that made a NaN or an infinity", "[autograd]") {
    const Tensor x = leaf({0, 1});
    SECTION("in forward") {
        const Environment anomaly("FOVEA_ANOMALY", "1");
        Tape tape;
        const Tensor zeros = ops::scale(x, 0.0);
        const std::string error = error_of([&] { ops::div(x, zeros); });
        CHECK_THAT(error, Contains("N03") && Contains("forward pass of binary"));
    }
    SECTION("in backward") {
        const Environment anomaly("FOVEA_ANOMALY", "1");
        Tape tape;
        const Tensor root = ops::unary(ops::scale(x, 1.0), Unary::Sqrt);  // slope infinite at 0
        const std::string error = error_of([&] { tape.backward(ops::sum(root, {0})); });
        CHECK_THAT(error, Contains("N03") && Contains("backward pass of unary"));
    }
    SECTION("and is silent without being asked") {
        Tape tape;
        tape.backward(ops::sum(ops::unary(x, Unary::Sqrt), {0}));
        CHECK(std::isinf(x.grad().to_vector()[0]));
    }
}

TEST_CASE("Tensor::fill of a strided view touches nothing beside it", "[tensor]") {
    const Tensor x = Tensor::zeros({3, 4});
    x.slice(1, 1, 3).fill(2.0);
    CHECK(x.to_vector() == std::vector<double>{0, 2, 2, 0, 0, 2, 2, 0, 0, 2, 2, 0});
}
