#include "models/weights.h"

#include <map>

#include "core/error.h"
#include "core/serialize/checkpoint.h"

namespace fovea {
namespace {

struct Slot {
    Tensor value;
    Layout layout = Layout::Plain;
};

std::map<std::string, Slot> slots_of(Module& model) {
    std::map<std::string, Slot> slots;
    for (const NamedParameter& p : parameters_of(model))
        slots[p.name] = {p.parameter->value, p.parameter->layout};
    for (const NamedBuffer& b : buffers_of(model)) slots[b.name] = {b.buffer->value, Layout::Plain};
    return slots;
}

void put(const std::string& name, const Slot& slot, const Tensor& value, const std::string& where) {
    const Shape& s = slot.value.shape();
    const Shape wanted = slot.layout == Layout::ConvWeight ? Shape{s[0], s[3], s[1], s[2]} : s;
    if (!(value.shape() == wanted))
        throw Error("K03",
                    name + " is " + to_string(value.shape()) + " in the file, " +
                        to_string(wanted) + " in the model",
                    where, "a model with the file's number of classes, channels and widths");
    slot.value.copy_from(from_checkpoint_layout(value, slot.layout));
}

std::string strip_prefix(std::string name) {
    for (const char* prefix : {"module.", "model."})
        if (name.rfind(prefix, 0) == 0) name.erase(0, std::string(prefix).size());
    return name;
}

bool is_optional(const std::string& name) {
    const std::string suffix = "num_batches_tracked";
    return name.size() >= suffix.size() &&
           name.compare(name.size() - suffix.size(), suffix.size(), suffix) == 0;
}

// "a, b, c and 12 more"
std::string brief(const std::vector<std::string>& names) {
    std::string out;
    for (std::size_t i = 0; i < names.size() && i < 3; ++i) out += (i ? ", " : "") + names[i];
    if (names.size() > 3) out += " and " + std::to_string(names.size() - 3) + " more";
    return out;
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
    const auto slots = slots_of(model);
    const auto found = slots.find(name);
    if (found == slots.end()) return false;
    put(name, found->second, value, name);
    return true;
}

void load_weights(Classifier& model, const std::string& path) {
    const SafetensorsFile file = SafetensorsFile::open(path);
    std::map<std::string, Slot> slots = slots_of(model);
    std::vector<std::string> names, unknown, missing;
    for (const TensorInfo& info : file.tensors()) names.push_back(strip_prefix(info.name));
    names = model.own_names(names);
    for (std::size_t i = 0; i < names.size(); ++i) {
        const TensorInfo& info = file.tensors()[i];
        const std::string& name = names[i];
        if (name.empty()) continue;
        const auto found = slots.find(name);
        if (found == slots.end()) {
            unknown.push_back(info.name);
            continue;
        }
        const Tensor value = Tensor::empty(info.shape, info.dtype);
        file.read(info, value.data());
        if (first_nonfinite(info.dtype, {value.data<std::byte>(), info.bytes()}))
            throw Error("N02", "tensor " + info.name + " holds NaN or infinite numbers", path,
                        "weights from a run that did not diverge");
        put(name, found->second, model.fitted(name, value), path);
        slots.erase(found);
    }
    for (const auto& [name, slot] : slots)
        if (!is_optional(name)) missing.push_back(name);
    if (missing.empty() && unknown.empty()) return;
    std::string what;
    if (!missing.empty())
        what = std::to_string(missing.size()) + " tensors are missing: " + brief(missing);
    if (!unknown.empty())
        what += (what.empty() ? "" : "; ") + std::to_string(unknown.size()) +
                " are unknown: " + brief(unknown);
    throw Error("K04", what, path, "weights of the same architecture (--model)");
}

void save_weights(Module& model, const std::string& path, const Metadata& metadata) {
    const std::vector<StateTensor> state = state_of(model);
    std::vector<NamedTensor> tensors;
    for (const StateTensor& t : state) {
        tensors.push_back(t.named());
        if (first_nonfinite(tensors.back().dtype, tensors.back().bytes))
            throw Error("N02", "tensor " + t.name + " is not finite", path,
                        "a lower --lr or --clip 1.0");
    }
    write_safetensors(path, tensors, metadata);
}

}  // namespace fovea
