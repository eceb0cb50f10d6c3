#include "models/weights.h"

#include "core/error.h"
#include "core/ops/shape_ops.h"
#include "core/serialize/checkpoint.h"
#include "layers/window_tables.h"
#include "models/swin.h"
#include "models/weight_names.h"

namespace fovea {
namespace {

/// Writes named tensors whose values `kept` holds.
void write_finite(const std::vector<StateTensor>& kept, const std::string& path,
                  const Metadata& metadata) {
    std::vector<NamedTensor> tensors;
    for (const StateTensor& t : kept) {
        tensors.push_back(t.named());
        if (first_nonfinite(tensors.back().dtype, tensors.back().bytes))
            throw Error("N02", "tensor " + t.name + " is not finite", path,
                        "a lower --lr or --clip 1.0");
    }
    write_safetensors(path, tensors, metadata);
}

/// The `part`-th of `parts` equal slices along the first axis.
Tensor slice_of(const Tensor& value, std::size_t part, std::size_t parts) {
    if (parts == 1) return value;
    const std::int64_t rows = value.size(0) / static_cast<std::int64_t>(parts),
                       begin = rows * static_cast<std::int64_t>(part);
    return ops::slice(value, 0, begin, begin + rows).contiguous();
}

/// The index table that torchvision's Swin keeps beside each bias table: flat, of a square window.
Tensor index_beside(const Tensor& bias_table) {
    std::int64_t side = 1;
    while ((2 * side - 1) * (2 * side - 1) < bias_table.size(0)) ++side;
    return ops::reshape(relative_position_index({side, side}), {side * side * side * side});
}

}  // namespace

NamedTensor StateTensor::named() const {
    const auto bytes = static_cast<std::size_t>(value.numel()) * size_of(value.dtype());
    return {
        name, value.dtype(), value.shape(), {static_cast<const std::byte*>(value.data()), bytes}};
}

std::vector<StateTensor> state_of(Module& model) {
    std::vector<StateTensor> out;
    for (const NamedParameter& p : parameters_of(model))
        out.push_back(
            {p.name, to_checkpoint_layout(p.parameter->value, p.parameter->layout).contiguous()});
    for (const NamedBuffer& b : buffers_of(model))
        out.push_back({b.name, b.buffer->value.contiguous()});
    return out;
}

bool set_state(Module& model, const std::string& name, const Tensor& value) {
    const auto put = [&](const Tensor& target, Layout layout) {
        const Tensor own = from_checkpoint_layout(value, layout);
        if (!(own.shape() == target.shape()))
            throw Error("K03",
                        name + " is " + to_string(value.shape()) + ", which is not its shape in " +
                            "the model",
                        name, "a model with the same number of classes, channels and widths");
        if (is_floating(target.dtype()) && !is_floating(value.dtype()))
            throw Error("K03", name + " is given integers, which are no weights", name,
                        "weights as F32, F64, F16 or BF16");
        target.copy_from(own);
        return true;
    };
    for (const NamedParameter& p : parameters_of(model))
        if (p.name == name) return put(p.parameter->value, p.parameter->layout);
    for (const NamedBuffer& b : buffers_of(model))
        if (b.name == name) return put(b.buffer->value, Layout::Plain);
    return false;
}

void save_weights(Module& model, const std::string& path, const Metadata& metadata) {
    write_finite(state_of(model), path, metadata);
}

void export_weights(Classifier& model, const std::string& style, const std::string& path,
                    const Metadata& metadata) {
    const NameStyle names = style_called(model, style);
    const bool with_index = style == "torchvision" && dynamic_cast<const Swin*>(&model) != nullptr;
    std::vector<StateTensor> out;
    for (const StateTensor& t : state_of(model)) {
        const std::vector<std::string> theirs = names.spell(t.name);
        for (std::size_t i = 0; i < theirs.size(); ++i)
            out.push_back({theirs[i], slice_of(t.value, i, theirs.size())});
        const std::string table = "relative_position_bias_table";
        if (with_index && t.name.ends_with(table)) {
            const std::string& name = theirs.front();
            out.push_back({name.substr(0, name.size() - table.size()) + "relative_position_index",
                           index_beside(t.value)});
        }
    }
    write_finite(out, path, metadata);
}

}  // namespace fovea
