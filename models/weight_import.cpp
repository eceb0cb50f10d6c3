// load_weights(): from the names in a file to the tensors of a model.
#include <algorithm>
#include <utility>

#include "core/error.h"
#include "core/serialize/checkpoint.h"
#include "models/weight_names.h"
#include "models/weights.h"

namespace fovea {
namespace {

/// A tensor of the model, and where it comes from.
struct Slot {
    std::string name;
    Tensor value;  ///< the model's, in its own layout
    Layout layout = Layout::Plain;
    std::vector<const TensorInfo*> parts;  ///< of the file, in order; null where missing

    bool complete() const {
        return !parts.empty() && std::count(parts.begin(), parts.end(), nullptr) == 0;
    }
    /// As checkpoints spell it.
    Shape shape() const {
        const Shape& s = value.shape();
        return layout == Layout::ConvWeight ? Shape{s[0], s[3], s[1], s[2]} : s;
    }
};

std::vector<Slot> slots_of(Module& model) {
    std::vector<Slot> slots;
    for (const NamedParameter& p : parameters_of(model))
        slots.push_back({p.name, p.parameter->value, p.parameter->layout, {}});
    for (const NamedBuffer& b : buffers_of(model))
        slots.push_back({b.name, b.buffer->value, Layout::Plain, {}});
    return slots;
}

bool is_batch_counter(const std::string& name) { return name.ends_with("num_batches_tracked"); }

// "a, b, c and 12 more"
std::string brief(const std::vector<std::string>& names) {
    std::string out;
    for (std::size_t i = 0; i < names.size() && i < 3; ++i) out += (i ? ", " : "") + names[i];
    if (names.size() > 3) out += " and " + std::to_string(names.size() - 3) + " more";
    return out;
}

std::string count_of(std::size_t count, const char* what) {
    return std::to_string(count) + " tensor" + (count == 1 ? " " : "s ") + what;
}

/// The style that knows most of the file's names; the model's own one among equals.
NameStyle detect_style(Classifier& model, const SafetensorsFile& file) {
    NameStyle best = own_style("fovea");
    std::size_t most = 0;
    for (const NameStyle& style : model.name_styles()) {
        const std::map<std::string, OwnPart> known = names_in_files(model, style);
        std::size_t hits = 0;
        for (const TensorInfo& t : file.tensors()) hits += known.count(modern_name(t.name));
        if (hits > most) {
            most = hits;
            best = style;
        }
    }
    return best;
}

bool is_unused(const NameStyle& style, const std::string& name) {
    return std::any_of(style.unused.begin(), style.unused.end(),
                       [&](const std::string& begin) { return name.starts_with(begin); });
}

/// The file's tensors behind a slot, one after the other along the first axis.
Tensor read_joined(const SafetensorsFile& file, const Slot& slot) {
    Shape shape = slot.parts.front()->shape;
    const DType dtype = slot.parts.front()->dtype;
    for (const TensorInfo* part : slot.parts)
        if (!(part->shape == shape) || part->dtype != dtype)
            throw Error("K03",
                        part->name + " is " + to_string(part->shape) + ", " +
                            slot.parts.front()->name + " is " + to_string(shape) +
                            ", yet they are parts of one tensor",
                        file.path(), "weights as their program wrote them");
    if (is_floating(slot.value.dtype()) && !is_floating(dtype))
        throw Error("K03", slot.parts.front()->name + " holds integers, which are no weights",
                    file.path(), "weights as F32, F64, F16 or BF16");
    if (slot.parts.size() > 1 && shape.rank > 0)
        shape[0] *= static_cast<std::int64_t>(slot.parts.size());
    Tensor value = Tensor::empty(shape, dtype);
    std::byte* to = value.data<std::byte>();
    for (const TensorInfo* part : slot.parts) {
        file.read(*part, to);
        if (first_nonfinite(dtype, {to, part->bytes()}))
            throw Error("N02", "tensor " + part->name + " holds NaN or infinite numbers",
                        file.path(), "weights from a run that did not diverge");
        to += part->bytes();
    }
    return value;
}

/// Weights [O,3,R,S] of a convolution as [O,1,R,S]: what it answers to three equal channels (timm's way).
Tensor sum_of_channels(const Tensor& weights) {
    const Shape& s = weights.shape();
    const std::int64_t area = s[2] * s[3];
    const std::vector<double> rgb = weights.to_vector();
    std::vector<double> grey;
    for (std::int64_t o = 0; o < s[0]; ++o)
        for (std::int64_t i = 0; i < area; ++i) {
            double sum = 0.0;
            for (std::int64_t c = 0; c < 3; ++c)
                sum += rgb[static_cast<std::size_t>((o * 3 + c) * area + i)];
            grey.push_back(sum);
        }
    return Tensor::from(grey, {s[0], 1, s[2], s[3]});
}

class Import {
public:
    Import(Classifier& model, const std::string& path, const ImportOptions& options)
        : model_(model), options_(options), file_(SafetensorsFile::open(path)),
          slots_(slots_of(model)) {
        summary_.classes = model.classes();
    }

    ImportSummary run() {
        assign_parts();
        for (Slot& slot : slots_) take(slot);
        refuse_misfits();
        for (const auto& [slot, value] : values_)
            slot->value.copy_from(from_checkpoint_layout(value, slot->layout));
        return summary_;
    }

private:
    /// Finds the slot of every tensor of the file.
    void assign_parts() {
        const NameStyle style = detect_style(model_, file_);
        summary_.style = style.name;
        summary_.differs = style.differs;
        const std::map<std::string, OwnPart> known = names_in_files(model_, style);
        std::map<std::string, Slot*> by_name;
        for (Slot& slot : slots_) by_name[slot.name] = &slot;
        for (const TensorInfo& info : file_.tensors()) {
            const std::string name = modern_name(info.name);
            const auto found = known.find(name);
            if (found == known.end()) {
                if (is_unused(style, name))
                    summary_.unused.push_back(info.name);
                else if (!is_computed(name, known))
                    unknown_.push_back(info.name);
                continue;
            }
            const OwnPart& part = found->second;
            Slot& slot = *by_name.at(part.own);
            slot.parts.resize(part.parts, nullptr);
            if (slot.parts[part.part] != nullptr)
                unknown_.push_back(info.name + " (a second time)");
            slot.parts[part.part] = &info;
        }
    }

    /// Reads a slot's value and makes it fit, or notes why not.
    void take(Slot& slot) {
        const bool counted = !is_batch_counter(slot.name), head = is_head(model_, slot.name);
        summary_.total += counted;
        if (head && options_.reset_head) {
            summary_.head_reset = true;
            if (!slot.parts.empty() && slot.parts.front() && slot.parts.front()->shape.rank > 0)
                summary_.file_classes = slot.parts.front()->shape[0];
            return;
        }
        if (!slot.complete()) {
            if (counted) {
                missing_.push_back(slot.name);
                only_heads_ = only_heads_ && head;
            }
            return;
        }
        const Tensor read = read_joined(file_, slot);
        Tensor value = model_.fitted(slot.name, read);
        summary_.resized += !(value.shape() == read.shape());
        const bool first_conv =
            slot.layout == Layout::ConvWeight && !std::exchange(seen_conv_, true);
        if (first_conv && value.rank() == 4 && value.size(1) == 3 && slot.shape()[1] == 1) {
            value = sum_of_channels(value);
            summary_.channels_summed = true;
        }
        if (value.shape() == slot.shape()) {
            values_.emplace_back(&slot, value);
            summary_.loaded += counted;
            return;
        }
        misshapen_.push_back(slot.name + " is " + to_string(read.shape()) + " in the file, " +
                             to_string(slot.shape()) + " in the model");
        only_heads_ = only_heads_ && head;
    }

    void refuse_misfits() const {
        std::vector<std::string> parts;
        if (!missing_.empty())
            parts.push_back(count_of(missing_.size(), missing_.size() == 1 ? "is" : "are") +
                            " missing: " + brief(missing_));
        if (!unknown_.empty())
            parts.push_back(count_of(unknown_.size(), unknown_.size() == 1 ? "is" : "are") +
                            " unknown: " + brief(unknown_));
        if (!misshapen_.empty()) parts.push_back(brief(misshapen_));
        if (parts.empty()) return;
        std::string what;
        for (const std::string& part : parts) what += (what.empty() ? "" : "; ") + part;
        const bool names_fit = missing_.empty() && unknown_.empty();
        std::string attempt = names_fit
                                  ? "a model with the file's number of classes, channels and widths"
                                  : "weights of the same architecture (--model)";
        if (only_heads_ && unknown_.empty() && summary_.loaded > 0)
            attempt = "--reset-head (the other " + std::to_string(summary_.loaded) + " of " +
                      std::to_string(summary_.total) + " tensors fit)";
        throw Error(names_fit ? "K03" : "K04", what, file_.path(), attempt);
    }

    Classifier& model_;
    ImportOptions options_;
    SafetensorsFile file_;
    std::vector<Slot> slots_;
    std::vector<std::pair<Slot*, Tensor>> values_;  // kept back until all are known to fit
    std::vector<std::string> missing_, unknown_, misshapen_;
    bool only_heads_ = true, seen_conv_ = false;
    ImportSummary summary_;
};

}  // namespace

std::string to_string(const ImportSummary& s) {
    std::string text = s.style + " names, " + std::to_string(s.loaded) + " of " +
                       std::to_string(s.total) + " tensors";
    if (s.head_reset)
        text += s.file_classes > 0 ? ", head replaced (" + std::to_string(s.file_classes) + " -> " +
                                         std::to_string(s.classes) + ")"
                                   : ", head new (" + std::to_string(s.classes) + " classes)";
    if (s.channels_summed) text += ", RGB summed to grey";
    if (s.resized > 0) text += ", " + std::to_string(s.resized) + " resized for another image size";
    if (!s.unused.empty()) text += ", not used: " + brief(s.unused);
    if (!s.differs.empty()) text += "; " + s.differs;
    return text;
}

ImportSummary load_weights(Classifier& model, const std::string& path,
                           const ImportOptions& options) {
    return Import(model, path, options).run();
}

}  // namespace fovea
