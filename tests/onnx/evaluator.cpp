#include "tests/onnx/evaluator.h"

#include <onnx/onnx_pb.h>

#include <cstring>

namespace test {
namespace {

template <class T>
Array decoded(const onnx::TensorProto& t) {
    Array out = array({t.dims().begin(), t.dims().end()});
    if (t.raw_data().size() != out.values.size() * sizeof(T))
        throw std::runtime_error("wrong size: " + t.name());
    for (std::size_t i = 0; i < out.values.size(); ++i) {
        T value;
        std::memcpy(&value, t.raw_data().data() + i * sizeof(T), sizeof(T));
        out.values[i] = static_cast<double>(value);
    }
    return out;
}

Array constant(const onnx::TensorProto& t) {
    return t.data_type() == onnx::TensorProto::INT64 ? decoded<std::int64_t>(t) : decoded<float>(t);
}

Operation operation(const onnx::NodeProto& node, const std::map<std::string, Array>& values) {
    Operation out;
    out.type = node.op_type();
    out.outputs = static_cast<std::size_t>(node.output_size());
    for (const std::string& name : node.input()) out.inputs.push_back(&values.at(name));
    for (const onnx::AttributeProto& a : node.attribute()) {
        if (a.type() == onnx::AttributeProto::FLOAT)
            out.numbers[a.name()] = static_cast<double>(a.f());
        else if (a.type() == onnx::AttributeProto::INT)
            out.integers[a.name()] = {a.i()};
        else
            out.integers[a.name()] = {a.ints().begin(), a.ints().end()};
    }
    return out;
}

const Operators& operators() {
    static const Operators table = [] {
        Operators all;
        add_shape_operators(all);
        add_arithmetic_operators(all);
        add_map_operators(all);
        return all;
    }();
    return table;
}

}  // namespace

Extents strides_of(const Extents& shape) {
    Extents strides(shape.size(), 1);
    for (std::size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
    return strides;
}

Array evaluate(const onnx::ModelProto& model, const Array& input) {
    const onnx::GraphProto& graph = model.graph();
    std::map<std::string, Array> values;
    for (const onnx::TensorProto& t : graph.initializer()) values[t.name()] = constant(t);
    values[graph.input(0).name()] = input;
    for (const onnx::NodeProto& node : graph.node()) {
        Results results = operators().at(node.op_type())(operation(node, values));
        for (int i = 0; i < node.output_size(); ++i)
            values[node.output(i)] = std::move(results.at(static_cast<std::size_t>(i)));
    }
    return values.at(graph.output(0).name());
}

}  // namespace test
