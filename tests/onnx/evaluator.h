// Runs an ONNX graph with plain loops in double precision: only the operators that exports use, by the
// text of the standard (https://onnx.ai/onnx/operators, opset 17), and nothing of ours.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

namespace onnx {
class ModelProto;
}

namespace test {

using Extents = std::vector<std::int64_t>;

/// Of any type: numbers and integers are both exact in a double.
struct Array {
    Extents shape;
    std::vector<double> values;

    std::int64_t size(int axis) const { return shape.at(at(axis)); }
    std::size_t at(int axis) const {
        return static_cast<std::size_t>(axis < 0 ? axis + static_cast<int>(shape.size()) : axis);
    }
    Extents integers() const { return {values.begin(), values.end()}; }
};

inline std::int64_t elements(const Extents& shape) {
    std::int64_t n = 1;
    for (const std::int64_t extent : shape) n *= extent;
    return n;
}
/// Zeros.
inline Array array(const Extents& shape) {
    return {shape, std::vector<double>(static_cast<std::size_t>(elements(shape)))};
}
inline double& element(Array& a, std::int64_t i) {
    return a.values.at(static_cast<std::size_t>(i));
}
inline double element(const Array& a, std::int64_t i) {
    return a.values.at(static_cast<std::size_t>(i));
}
/// How far apart neighbours along each axis are.
Extents strides_of(const Extents& shape);

/// A node with its inputs. Missing attributes give the default that the caller names.
struct Operation {
    std::string type;
    std::vector<const Array*> inputs;
    std::size_t outputs = 1;
    std::map<std::string, Extents> integers;
    std::map<std::string, double> numbers;

    const Array& in(std::size_t i) const { return *inputs.at(i); }
    bool has(std::size_t i) const { return i < inputs.size(); }
    std::int64_t integer(const std::string& name, std::int64_t otherwise) const {
        const auto found = integers.find(name);
        return found == integers.end() ? otherwise : found->second.at(0);
    }
    const Extents& list(const std::string& name) const { return integers.at(name); }
    double number(const std::string& name) const { return numbers.at(name); }
};

using Results = std::vector<Array>;
using Operator = std::function<Results(const Operation&)>;
using Operators = std::map<std::string, Operator>;
void add_shape_operators(Operators& operators);
void add_arithmetic_operators(Operators& operators);
void add_map_operators(Operators& operators);

/// The graph's only output for this input.
Array evaluate(const onnx::ModelProto& model, const Array& input);

}  // namespace test
