// Golden files: tensors from the formula, tensors spelled out in JSON, and comparisons with tolerances.
//
// Every tensor of a golden file follows from its name, its shape and the element's index:
//   h = FNV-1a 64 of the name; x = splitmix64 finaliser of h + i * 0x9E3779B97F4A7C15;
//   u = (x >> 40) / 2^23 - 1, in [-1, 1), exact in float.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/tensor.h"

namespace fovea::parity {

using Json = nlohmann::json;

/// Where a case is computed.
struct Target {
    Device device = Device::reference();
    DType dtype = DType::F64;
    bool exact() const { return dtype == DType::F64; }
};

/// Thrown where a file asks for something that is not supported; never for a wrong number.
struct Unsupported : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// Throws Unsupported if `object` has a key that is not among `known`: what is not understood must not be
/// ignored.
void require_only(const Json& object, const std::vector<std::string>& known);

/// object[key], or an empty object if there is none.
const Json& part_of(const Json& object, const std::string& key);

/// The one of `pairs` that is called `name`; Unsupported if there is none.
template <class T>
T choose(const Json& name, std::initializer_list<std::pair<const char*, T>> pairs) {
    for (const auto& [key, value] : pairs)
        if (name == key) return value;
    throw Unsupported(name.dump());
}

/// u of element `index` of the tensor called `name`.
double uniform(const std::string& name, std::uint64_t index);

/// A parameter or buffer by the naming rule (tokens 0.5 u, norms 1 + 0.2 u, biases 0.1 u, matrices
/// sqrt(3 / fan_in) u), rounded to float32.
std::vector<double> rule_values(const std::string& name, const Shape& shape);

/// An input: float32(offset + scale * u).
std::vector<double> input_values(const std::string& name, const Shape& shape, double scale,
                                 double offset);

/// The tensor that {"name", "shape", "scale", "offset"?} describes, row-major; "{step}" and "{layer}" in the
/// name are replaced by `number`.
Tensor described(const Json& description, const Target& target, std::int64_t number = 0);

/// Nested lists, or {"shape", "data"}, as a tensor.
Tensor spelled_out(const Json& value, const Target& target);

Shape shape_from(const Json& list);
std::vector<double> numbers_from(
    const Json& value);  ///< nested lists or {"shape", "data"}, flattened

/// The args of {"op", "args"}, which must ask for the mean cross-entropy; Unsupported if not.
const Json& mean_cross_entropy(const Json& loss);

/// Class numbers [B] (I64).
Tensor labels_from(const Json& list, const Target& target);

Tensor to_nhwc(const Tensor& nchw);
Tensor to_nchw(const Tensor& nhwc);

/// What a Checker prints.
enum class Report : unsigned char { Nothing, Misses, All };

/// Prints one line per quantity and counts the misses.
class Checker {
public:
    Checker(std::string file, Report report) : file_(std::move(file)), report_(report) {}

    /// Largest |a - b| against `tolerance` * max(1, largest |b|), or plain `tolerance` with absolute.
    void values(const std::string& what, const std::vector<double>& a, const std::vector<double>& b,
                double tolerance, bool absolute = false);
    /// [L2 norm, value at 0, n/3, 2n/3, n-1] of `a` against a file's probe: the norm relative to itself,
    /// values relative to max(|value|, norm / sqrt(n)).
    void probe(const std::string& what, const std::vector<double>& a,
               const std::vector<double>& probe, double relative);
    /// A condition that has no error figure.
    void require(const std::string& what, bool ok);

    int misses() const { return misses_; }
    int quantities() const { return quantities_; }
    double worst() const { return worst_; }  ///< largest error / tolerance

private:
    void line(const std::string& what, double error, double tolerance);
    bool prints(bool ok) const {
        return report_ == Report::All || (report_ == Report::Misses && !ok);
    }

    std::string file_;
    Report report_;
    int misses_ = 0, quantities_ = 0;
    double worst_ = 0.0;
};

}  // namespace fovea::parity
