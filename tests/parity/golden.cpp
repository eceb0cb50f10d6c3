#include "tests/parity/golden.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "core/ops/shape_ops.h"

namespace fovea::parity {
namespace {

void flatten(const Json& value, std::vector<double>& out) {
    if (value.is_object())
        flatten(value.at("data"), out);
    else if (value.is_array())
        for (const Json& part : value) flatten(part, out);
    else
        out.push_back(value.get<double>());
}

bool starts_with(const std::string& text, const char* prefix) { return text.rfind(prefix, 0) == 0; }
bool ends_with(const std::string& text, const std::string& suffix) {
    return text.size() >= suffix.size() &&
           text.compare(text.size() - suffix.size(), suffix.size(), suffix) == 0;
}

// The larger of two errors; a NaN is worst and stays.
double worse(double a, double b) { return std::isnan(a) || a > b ? a : b; }

double l2(const std::vector<double>& v) {
    double sum = 0.0;
    for (const double x : v) sum += x * x;
    return std::sqrt(sum);
}

}  // namespace

void require_only(const Json& object, const std::vector<std::string>& known) {
    for (const auto& [key, value] : object.items())
        if (std::find(known.begin(), known.end(), key) == known.end()) throw Unsupported(key);
}

const Json& part_of(const Json& object, const std::string& key) {
    static const Json nothing = Json::object();
    const auto found = object.find(key);
    return found == object.end() ? nothing : *found;
}

double uniform(const std::string& name, std::uint64_t index) {
    std::uint64_t h = 14695981039346656037ull;
    for (const char c : name) h = (h ^ static_cast<unsigned char>(c)) * 1099511628211ull;
    std::uint64_t z = h + index * 0x9E3779B97F4A7C15ull;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    z = z ^ (z >> 31);
    return static_cast<double>(z >> 40) / 8388608.0 - 1.0;
}

std::vector<double> rule_values(const std::string& name, const Shape& shape) {
    const std::string last = name.substr(name.rfind('.') + 1);
    double scale = 0.0, offset = 0.0;
    if (last.find("token") != std::string::npos || starts_with(last, "pos_embed") ||
        last == "absolute_pos_embed" || last == "relative_position_bias_table") {
        scale = 0.5;
    } else if (shape.rank == 1) {
        const bool around_one = ends_with(name, "weight") || ends_with(name, "running_var");
        scale = around_one ? 0.2 : 0.1;
        offset = around_one ? 1.0 : 0.0;
    } else {
        scale =
            std::sqrt(3.0 / (static_cast<double>(shape.numel()) / static_cast<double>(shape[0])));
    }
    return input_values(name, shape, scale, offset);
}

std::vector<double> input_values(const std::string& name, const Shape& shape, double scale,
                                 double offset) {
    std::vector<double> out(static_cast<std::size_t>(shape.numel()));
    for (std::size_t i = 0; i < out.size(); ++i)
        out[i] = static_cast<double>(static_cast<float>(offset + scale * uniform(name, i)));
    return out;
}

Shape shape_from(const Json& list) {
    Shape shape;
    for (const Json& extent : list) shape.push_back(extent.get<std::int64_t>());
    return shape;
}

Tensor described(const Json& description, const Target& target, std::int64_t number) {
    std::string name = description.at("name");
    for (const char* mark : {"{step}", "{layer}"})
        if (const auto at = name.find(mark); at != std::string::npos)
            name.replace(at, std::string(mark).size(), std::to_string(number));
    const Shape shape = shape_from(description.at("shape"));
    const Json& scale = description.at("scale");
    const std::vector<double> values =
        scale.is_string()
            ? rule_values(name, shape)
            : input_values(name, shape, scale.get<double>(), description.value("offset", 0.0));
    return Tensor::from(values, shape, target.dtype, target.device);
}

Tensor spelled_out(const Json& value, const Target& target) {
    if (value.is_object()) {
        return Tensor::from(numbers_from(value.at("data")), shape_from(value.at("shape")),
                            target.dtype, target.device);
    }
    Shape shape;
    for (const Json* level = &value; level->is_array(); level = &level->front())
        shape.push_back(static_cast<std::int64_t>(level->size()));
    return Tensor::from(numbers_from(value), shape, target.dtype, target.device);
}

std::vector<double> numbers_from(const Json& value) {
    std::vector<double> out;
    flatten(value, out);
    return out;
}

const Json& mean_cross_entropy(const Json& loss) {
    if (loss.at("op") != "cross_entropy") throw Unsupported(loss.at("op").dump());
    const Json& args = loss.at("args");
    require_only(args, {"smoothing", "reduction"});
    if (args.at("reduction") != "mean") throw Unsupported("reduction");
    return args;
}

Tensor labels_from(const Json& list, const Target& target) {
    return Tensor::from(numbers_from(list), {static_cast<std::int64_t>(list.size())}, DType::I64,
                        target.device);
}

Tensor to_nhwc(const Tensor& nchw) { return ops::permute(nchw, {0, 2, 3, 1}); }
Tensor to_nchw(const Tensor& nhwc) { return ops::permute(nhwc, {0, 3, 1, 2}); }

void Checker::line(const std::string& what, double error, double tolerance) {
    ++quantities_;
    const bool ok = error <= tolerance;  // false for NaN
    if (!ok) ++misses_;
    if (tolerance > 0.0) worst_ = std::max(worst_, error / tolerance);
    if (prints(ok))
        std::printf("%s %s: %s error %.3g tolerance %.3g\n", ok ? "ok  " : "MISS", file_.c_str(),
                    what.c_str(), error, tolerance);
}

void Checker::values(const std::string& what, const std::vector<double>& a,
                     const std::vector<double>& b, double tolerance, bool absolute) {
    if (a.size() != b.size()) {
        require(what + " (" + std::to_string(a.size()) + " values, the file has " +
                    std::to_string(b.size()) + ")",
                false);
        return;
    }
    double error = 0.0, largest = 1.0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        error = worse(error, std::abs(a[i] - b[i]));
        largest = std::max(largest, std::abs(b[i]));
    }
    line(what, error, absolute ? tolerance : tolerance * largest);
}

void Checker::probe(const std::string& what, const std::vector<double>& a,
                    const std::vector<double>& probe, double relative) {
    const std::size_t n = a.size();
    const double norm = probe.at(0);
    const double typical = norm / std::sqrt(static_cast<double>(n));
    const std::size_t at[4] = {0, n / 3, 2 * n / 3, n - 1};
    double worst = norm > 0.0 ? std::abs(l2(a) - norm) / norm : l2(a);
    for (std::size_t k = 0; k < 4; ++k) {
        const double e = std::abs(a[at[k]] - probe.at(k + 1)) /
                         std::max({std::abs(probe.at(k + 1)), typical, 1e-300});
        worst = worse(worst, e);
    }
    line(what, worst, relative);
}

void Checker::require(const std::string& what, bool ok) {
    ++quantities_;
    if (!ok) ++misses_;
    if (prints(ok)) std::printf("%s %s: %s\n", ok ? "ok  " : "MISS", file_.c_str(), what.c_str());
}

}  // namespace fovea::parity
