// Every op that has an ONNX form, alone: the table of op cases, translated and evaluated.
#include <catch2/catch.hpp>

#include <set>

#include "apps/onnx/ops.h"
#include "apps/onnx/translate.h"
#include "core/error.h"
#include "core/ops/dropout.h"
#include "core/ops/elementwise.h"
#include "core/ops/pool.h"
#include "core/ops/reduce.h"
#include "core/ops/shape_ops.h"
#include "tests/cases/case.h"
#include "tests/models/sample.h"
#include "tests/onnx/exported.h"

using namespace fovea;
using fovea::apps::onnx_graph;
using fovea::tests::Case;

namespace {

bool has_elements(const Case& c) {
    for (const tests::Input& input : c.inputs)
        if (input.shape.numel() == 0) return false;
    return !c.inputs.empty();
}

/// The ops that a case runs, or nothing if one of them has no form. It may run none: some cases call
/// kernels.
std::set<std::string> ops_of(const Case& c) {
    const std::vector<Tensor> inputs = tests::make_inputs(c, Device::cpu(), {});
    Trace trace;
    {
        const Trace::Scope scope(trace);
        c.build(inputs);
    }
    std::set<std::string> names;
    for (const Trace::Op& op : trace.ops()) {
        if (apps::onnx_ops().count(op.name) == 0) return {};
        names.insert(op.name);
    }
    return names;
}

/// The case's inputs are constants of the graph, whose own input is not used.
apps::OnnxGraph graph_of(const Case& c) {
    const std::vector<Tensor> inputs = tests::make_inputs(c, Device::cpu(), {});
    std::vector<apps::OnnxWeight> weights;
    for (std::size_t i = 0; i < inputs.size(); ++i)
        weights.push_back({"in" + std::to_string(i) + ".weight", inputs[i]});
    return onnx_graph(
        c.name, [&](const Tensor&) { return c.build(inputs); }, {1, 1, 1}, weights);
}

std::string refusal(const std::function<Tensor(const Tensor&)>& f) {
    try {
        onnx_graph("a model", f, {5, 6, 2}, {});
    } catch (const Error& e) {
        CHECK(e.at() == "a model");
        return e.code() + " " + e.message();
    }
    return "";
}

}  // namespace

TEST_CASE("ONNX: all cases of all ops that have a form") {
    std::set<std::string> tried;
    for (const Case& c : tests::all_cases()) {
        if (!has_elements(c) || c.flops > tests::kLargeFlops) continue;
        const std::set<std::string> names = ops_of(c);
        if (names.empty()) continue;
        CAPTURE(c.name);
        apps::OnnxGraph graph;
        try {
            graph = graph_of(c);
        } catch (const Error& e) {
            // There is a form, but not for these arguments.
            const std::string text = e.message();
            CHECK((text.find("the statistics of the batch") != std::string::npos ||
                   text.find("windows that reach beyond the padding") != std::string::npos));
            continue;
        }
        const test::Array y = test::evaluate(test::exported(graph), test::array({1, 1, 1, 1}));
        const Tensor truth =
            c.build(tests::make_inputs(c, Device::reference(), {.dtype = DType::F64}));
        CHECK(test::error(y, truth) < 1e-6);
        tried.insert(names.begin(), names.end());
    }
    for (const auto& [name, op] : apps::onnx_ops()) {
        CAPTURE(name);
        CHECK(tried.count(name) == 1);
    }
}

TEST_CASE("ONNX: what has no form is refused by name") {
    const auto has = [](const std::string& text, const std::string& part) {
        CAPTURE(text);
        return text.find(part) != std::string::npos;
    };
    CHECK(has(refusal([](const Tensor& x) { return ops::dropout(x, 0.5, {}); }),
              "K20 ONNX has no form for the operation dropout"));
    CHECK(has(refusal([](const Tensor& x) { return x.reshape({x.numel()}); }), "that no op made"));
    CHECK(has(refusal([](const Tensor& x) { return ops::slice(x, 0, 0, x.size(0) - 1); }),
              "a slice that depends on the batch"));
    CHECK(has(refusal([](const Tensor& x) {
                  return ops::mean(x, {0, 1, 2, 3});
              }),
              "a sum that depends on the batch"));
    CHECK(has(refusal([](const Tensor& x) { return x.size(0) == 2 ? x : ops::relu(x); }),
              "other operations at other batch sizes"));
    CHECK(has(refusal([](const Tensor& x) {
                  return ops::avg_pool2d(x, {{3, 3}, {2, 2}, {1, 1}, true, true});
              }),
              "beyond the padding of the operation avg_pool2d"));
}

TEST_CASE("ONNX: shapes that mix the batch with other axes") {
    const auto f = [](const Tensor& x) {
        const Tensor rows = ops::reshape(x, {-1, x.size(3)});  // [30 N, 2]
        const Tensor wide = ops::expand(ops::reshape(rows, {1, -1, 2}), {3, rows.size(0), 2});
        return ops::reshape(ops::sum(wide, {0}), {x.size(0), 5 * 6 * 2});
    };
    const onnx::ModelProto file = test::exported(onnx_graph("mixed", f, {5, 6, 2}, {}));
    for (const std::int64_t batch : {1, 4}) {
        const Tensor x = test::pictures({batch, 5, 6, 2}, DType::F32, Device::cpu());
        CHECK(test::error(test::evaluate(file, test::planes_of(x)), f(x)) < 1e-6);
    }
}

TEST_CASE("ONNX: pooling of maps that are not square, and two resizings in one graph") {
    const auto f = [](const Tensor& x) {
        const Tensor means = ops::adaptive_avg_pool2d(x, 3, 2);  // windows of 2x4
        const auto small = [&](bool antialias) {
            return ops::interpolate(x, 3, 2, {Interpolation::Bilinear, false, antialias});
        };
        return ops::add(means, ops::sub(small(true), ops::scale(small(false), 3.0)));
    };
    const onnx::ModelProto file = test::exported(onnx_graph("maps", f, {6, 8, 2}, {}));
    const Tensor x = test::pictures({2, 6, 8, 2}, DType::F32, Device::cpu());
    CHECK(test::error(test::evaluate(file, test::planes_of(x)), f(x)) < 1e-6);
}
