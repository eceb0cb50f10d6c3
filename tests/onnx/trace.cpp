// Trace: names, arguments and numbers of the ops that ran.
#include "core/trace.h"

#include <catch2/catch.hpp>

#include "core/ops/elementwise.h"
#include "core/ops/norm.h"
#include "core/ops/shape_ops.h"

using namespace fovea;

TEST_CASE("a trace numbers tensors and keeps arguments") {
    const Tensor x = Tensor::full({2, 3}, 1.0), bias = Tensor::full({3}, 2.0);
    Trace trace;
    CHECK(trace.number_of(bias) == 0);
    Tensor y;
    {
        const Trace::Scope scope(trace);
        CHECK(Trace::current() == &trace);
        y = ops::scale(ops::add(x, bias), 0.5);
        y = ops::concat({y, ops::slice(y, 0, 0, 1)}, 0);
    }
    CHECK(Trace::current() == nullptr);
    ops::relu(y);  // no longer written down

    REQUIRE(trace.ops().size() == 4);
    const Trace::Op &add = trace.ops()[0], &scale = trace.ops()[1], &slice = trace.ops()[2],
                    &concat = trace.ops()[3];
    CHECK(add.name == "binary");
    CHECK(add.arguments.at(0).tensors == std::vector<int>{1});  // x
    CHECK(add.arguments.at(1).tensors == std::vector<int>{0});  // bias
    CHECK(std::any_cast<Binary>(add.arguments.at(2).value) == Binary::Add);
    CHECK(scale.arguments.at(0).tensors == std::vector<int>{add.result});
    CHECK(std::any_cast<double>(scale.arguments.at(1).value) == 0.5);
    CHECK(std::any_cast<std::int64_t>(slice.arguments.at(3).value) == 1);
    CHECK(concat.arguments.at(0).tensors == std::vector<int>{scale.result, slice.result});
    CHECK(trace.number_of(y) == concat.result);
    CHECK((trace.values()[static_cast<std::size_t>(concat.result)].shape == Shape{3, 3}));
    CHECK(trace.values()[0].constant.same(bias));
    CHECK_FALSE(trace.values()[static_cast<std::size_t>(add.result)].constant.defined());
}

TEST_CASE("a trace keeps no result alive, and takes a reused memory for a new tensor") {
    const Tensor x = Tensor::full({64}, 1.0);
    Trace trace;
    const Trace::Scope scope(trace);
    std::weak_ptr<Storage> memory;
    int first = 0;
    {
        const Tensor y = ops::scale(x, 2.0);
        memory = y.storage();
        first = trace.number_of(y);
    }
    CHECK(memory.expired());
    const Tensor again = ops::scale(x, 3.0);  // most likely in the same place
    CHECK(trace.number_of(again) != first);
}

TEST_CASE("a trace sees the sum and the norm of add_layer_norm apart") {
    const Tensor a = Tensor::full({2, 4}, 1.0), b = Tensor::full({2, 4}, 2.0);
    Trace trace;
    const Trace::Scope scope(trace);
    const ops::SumAndNorm out = ops::add_layer_norm(a, b, Tensor(), Tensor(), 1e-6);
    REQUIRE(trace.ops().size() == 2);
    const Trace::Op &sum = trace.ops()[0], &norm = trace.ops()[1];
    CHECK(sum.name == "residual_sum");
    CHECK(norm.name == "layer_norm");
    CHECK(norm.arguments.at(0).tensors == std::vector<int>{sum.result});
    CHECK(norm.arguments.at(1).tensors == std::vector<int>{-1});
    CHECK(std::any_cast<double>(norm.arguments.at(3).value) == 1e-6);
    // The kernel had formed the sum before: yet it is no constant.
    for (const int number : sum.arguments.at(2).tensors)
        CHECK_FALSE(trace.values()[static_cast<std::size_t>(number)].constant.defined());
    CHECK(trace.number_of(out.sum) == sum.result);
    CHECK(trace.number_of(out.y) == norm.result);
}
