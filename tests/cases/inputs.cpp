// Values and memory layouts of the cases' inputs.
#include <bit>
#include <cmath>
#include <limits>
#include <set>

#include "kernels/include/philox.h"
#include "tests/cases/case.h"

namespace fovea::tests {
namespace {

/// FNV-1a (Fowler, Noll, Vo): the same number for a name on every machine.
std::uint64_t hash_of(const std::string& name) {
    std::uint64_t hash = 14695981039346656037u;
    for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
    return hash;
}

double unit(const Case& c, std::size_t index, std::int64_t i) {
    const RandomSite site{hash_of(c.name), RandomStream::Init, static_cast<std::uint32_t>(index)};
    return static_cast<double>(site.unit(static_cast<std::uint64_t>(i)));
}

double share_of(const Case& c, std::size_t index, std::int64_t i) {
    const std::int64_t classes = c.inputs[index].shape[-1], first = i / classes * classes;
    double sum = 0.0;
    for (std::int64_t k = first; k < first + classes; ++k) sum += unit(c, index, k);
    return unit(c, index, i) / sum;
}

/// A view of the given shape and layout on new storage that holds NaN.
Tensor laid_out(const Shape& shape, Layout layout, DType dtype, Device device, bool shifted) {
    constexpr double nan = std::numeric_limits<double>::quiet_NaN();
    Shape stored = shape;
    switch (layout) {
        case Layout::Dense:
            if (shifted)
                return Tensor::full({shape.numel() + 1}, nan, dtype, device)
                    .slice(0, 1, shape.numel() + 1)
                    .reshape(shape);
            break;
        case Layout::Transposed:
            std::swap(stored[-1], stored[-2]);
            return Tensor::full(stored, nan, dtype, device).transpose(-1, -2);
        case Layout::Sliced:
            stored[-1] += 3;
            return Tensor::full(stored, nan, dtype, device).slice(-1, 1, 1 + shape[-1]);
        case Layout::Repeated:
            stored[0] = 1;
            return Tensor::full(stored, nan, dtype, device).expand(shape);
    }
    return Tensor::empty(stored, dtype, device);
}

/// Copies dense values into a view of any layout.
void write(const Tensor& to, const Tensor& values, Layout layout) {
    if (layout != Layout::Repeated) return to.copy_from(values);
    if (to.size(0) > 0) to.slice(0, 0, 1).copy_from(values.slice(0, 0, 1));
}

/// The nearest number that BF16 holds: the upper half of a float, ties to even.
double to_bf16(double x) {
    const auto bits = std::bit_cast<std::uint32_t>(static_cast<float>(x));
    const std::uint32_t rounded = (bits + 0x7FFFU + (bits >> 16 & 1U)) & 0xFFFF0000U;
    return static_cast<double>(std::bit_cast<float>(rounded));
}

/// Beside BF16 activations biases, norms' weights and statistics, and given targets stay F32.
bool stays_f32(const Case& c, std::size_t index) {
    static const std::set<std::string> with_parameters = {
        "linear", "activated_linear", "conv2d", "layer_norm", "batch_norm", "add_layer_norm"};
    const Input& input = c.inputs[index];
    if (input.stays_f32 || input.values == Values::Shares) return true;
    if (c.op == "window_attention") return index == 1;  // the bias table
    return with_parameters.count(c.op) != 0 && index > 0 && input.shape.rank == 1;
}

DType dtype_of(const Case& c, std::size_t index, DType dtype) {
    if (c.inputs[index].values == Values::Labels) return DType::I64;
    return dtype == DType::BF16 && stays_f32(c, index) ? DType::F32 : dtype;
}

double formula(const Case& c, std::size_t index, std::int64_t i) {
    const Input& input = c.inputs[index];
    switch (input.values) {
        case Values::Uniform: return 2.0 * unit(c, index, i) - 1.0;
        case Values::Positive: return 0.5 + unit(c, index, i);
        case Values::Quarters: return std::floor(8.0 * unit(c, index, i)) / 4.0 - 1.0;
        case Values::Shares: return share_of(c, index, i);
        case Values::Labels:
            return std::floor(unit(c, index, i) * static_cast<double>(input.limit));
    }
    return 0.0;
}

}  // namespace

double value_of(const Case& c, std::size_t index, std::int64_t i, bool bf16_values) {
    const double value = formula(c, index, i);
    return bf16_values ? to_bf16(value) : static_cast<double>(static_cast<float>(value));
}

std::vector<Tensor> make_inputs(const Case& c, Device device, Numbers numbers) {
    const bool bf16_values = numbers.bf16_values || numbers.dtype == DType::BF16;
    std::vector<Tensor> inputs;
    for (std::size_t index = 0; index < c.inputs.size(); ++index) {
        const Input& input = c.inputs[index];
        const DType type = dtype_of(c, index, numbers.dtype);
        std::vector<double> values;
        for (std::int64_t i = 0; i < input.shape.numel(); ++i)
            values.push_back(value_of(c, index, i, bf16_values && type != DType::I64));
        Tensor tensor = laid_out(input.shape, input.layout, type, device, numbers.shifted);
        write(tensor, Tensor::from(values, input.shape, type, device), input.layout);
        if (input.differentiable) tensor.set_requires_grad();
        inputs.push_back(tensor);
    }
    return inputs;
}

Tensor make_seed(const Case& c, const Tensor& y, bool bf16_values) {
    const RandomSite site{hash_of(c.name), RandomStream::Shuffle};
    std::vector<double> values;
    for (std::int64_t i = 0; i < y.numel(); ++i) {
        const double value =
            2.0 * static_cast<double>(site.unit(static_cast<std::uint64_t>(i))) - 1.0;
        values.push_back(bf16_values ? to_bf16(value) : value);
    }
    return Tensor::from(values, y.shape(), y.dtype(), y.device());
}

bool has_bf16_form(const Case& c) {
    static const std::set<std::string> f32_only = {"adam_step",  "sgd_step",   "rmsprop_step",
                                                   "radam_step", "ema_update", "clip_values"};
    return f32_only.count(c.op) == 0;
}

}  // namespace fovea::tests
