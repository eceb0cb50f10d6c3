#include "apps/onnx/builder.h"

#include <algorithm>
#include <cstdio>

namespace fovea::apps {
namespace {

bool per_image(const Extent& e) { return e.per_image; }

/// "blocks.0.attn.qkv" of "blocks.0.attn.qkv.weight".
std::string layer_of(const std::string& parameter) {
    const std::size_t dot = parameter.rfind('.');
    return dot == std::string::npos ? parameter : parameter.substr(0, dot);
}

}  // namespace

// ---- values --------------------------------------------------------------------------------------

void OnnxBuilder::name_constant(int value, const std::string& name, Layout layout) {
    named_[value] = {name, layout};
    used_[name] = 1;
}

OnnxBuilder::Form& OnnxBuilder::form_of(int value) {
    Form& form = forms_[value];
    if (!form.plain.empty() || !form.planes.empty()) return form;
    const Tensor& t = trace_.constant(value);  // all else was bound when its op ran
    const auto named = named_.find(value);
    if (named == named_.end()) {
        form.plain = fresh("constant");
        graph_.constants.push_back({form.plain, t.contiguous()});
    } else {
        const auto& [name, layout] = named->second;
        (layout == Layout::ConvWeight ? form.planes : form.plain) = name;
        graph_.constants.push_back({name, to_checkpoint_layout(t, layout).contiguous()});
    }
    return form;
}

const std::string& OnnxBuilder::plain(int value) {
    Form& form = form_of(value);
    if (form.plain.empty()) form.plain = transpose(form.planes, {0, 2, 3, 1});
    return form.plain;
}

const std::string& OnnxBuilder::planes(int value) {
    Form& form = form_of(value);
    if (form.planes.empty()) form.planes = transpose(form.plain, {0, 3, 1, 2});
    return form.planes;
}

const std::string& OnnxBuilder::flat(int value) {
    const Extents e = extents(value);
    const Extent one{1};
    const bool same_order = e.size() == 4 && ((e[1] == one && e[2] == one) || e[3] == one);
    return same_order && in_planes(value) ? planes(value) : plain(value);
}

bool OnnxBuilder::in_planes(int value) const {
    const auto form = forms_.find(value);
    return form != forms_.end() && !form->second.planes.empty();
}

// ---- nodes ---------------------------------------------------------------------------------------

void OnnxBuilder::begin(const std::vector<int>& values, const std::string& otherwise) {
    scope_ = otherwise;
    for (const int value : values)
        if (const auto named = named_.find(value); named != named_.end()) {
            scope_ = layer_of(named->second.name);
            return;
        }
}

std::string OnnxBuilder::fresh(const std::string& name) {
    const int count = ++used_[name];
    return count == 1 ? name : fresh(name + "_" + std::to_string(count));
}

std::vector<std::string> OnnxBuilder::nodes(const std::string& type,
                                            const std::vector<std::string>& inputs,
                                            std::size_t outputs,
                                            const std::vector<OnnxAttribute>& attributes) {
    const std::string name = fresh(scope_ + "/" + type);
    std::vector<std::string> names = {name};
    for (std::size_t i = 1; i < outputs; ++i) names.push_back(name + ":" + std::to_string(i));
    graph_.nodes.push_back({type, name, inputs, names, attributes});
    return names;
}

std::string OnnxBuilder::node(const std::string& type, const std::vector<std::string>& inputs,
                              const std::vector<OnnxAttribute>& attributes) {
    return nodes(type, inputs, 1, attributes).front();
}

std::string OnnxBuilder::transpose(const std::string& x, const std::vector<std::int64_t>& axes) {
    if (std::is_sorted(axes.begin(), axes.end())) return x;
    return node("Transpose", {x}, {{"perm", axes}});
}

std::string OnnxBuilder::reshape(const std::string& x, const Extents& from, const Extents& to) {
    if (from == to) return x;
    const auto depending = std::count_if(to.begin(), to.end(), per_image);
    if (depending > 1) return node("Reshape", {x, shape_vector(to)});
    std::vector<std::int64_t> target;
    for (std::size_t i = 0; i < to.size(); ++i) {
        const bool kept = i < from.size() && from[i] == to[i];
        target.push_back(!to[i].per_image ? to[i].size : kept ? 0 : -1);  // 0: as it was
    }
    return node("Reshape", {x, integers(target)});
}

std::string OnnxBuilder::slice(const std::string& x, std::int64_t axis, std::int64_t begin,
                               std::int64_t end) {
    return node("Slice", {x, integers({begin}), integers({end}), integers({axis})});
}

std::string OnnxBuilder::batch() {
    const auto [at, added] = once_.try_emplace("batch");
    if (added) {
        at->second = fresh("batch");
        graph_.nodes.push_back({"Shape",
                                at->second,
                                {graph_.input.name},
                                {at->second},
                                {{"start", std::int64_t{0}}, {"end", std::int64_t{1}}}});
    }
    return at->second;
}

std::string OnnxBuilder::shape_vector(const Extents& extents) {
    std::vector<std::string> parts;
    std::vector<std::int64_t> fixed;
    const auto flush = [&] {
        if (!fixed.empty()) parts.push_back(integers(fixed));
        fixed.clear();
    };
    for (const Extent& e : extents) {
        if (!e.per_image) {
            fixed.push_back(e.size);
            continue;
        }
        flush();
        parts.push_back(e.size == 1 ? batch() : node("Mul", {batch(), integers({e.size})}));
    }
    flush();
    return parts.size() == 1 ? parts.front() : node("Concat", parts, {{"axis", std::int64_t{0}}});
}

// ---- constants -----------------------------------------------------------------------------------

std::string OnnxBuilder::constant(const std::string& name, const Tensor& value) {
    const auto [at, added] = once_.try_emplace(name);
    if (added) {
        at->second = fresh(name);
        graph_.constants.push_back({at->second, value});
    }
    return at->second;
}

std::string OnnxBuilder::scalar(double value) {
    char text[40];
    std::snprintf(text, sizeof text, "scalar_%.9g", value);
    return constant(text, Tensor::full({}, value));
}

std::string OnnxBuilder::integers(const std::vector<std::int64_t>& values) {
    std::string name = "integers";
    for (const std::int64_t value : values) name += "_" + std::to_string(value);
    std::vector<double> elements(values.begin(), values.end());
    return constant(name,
                    Tensor::from(elements, {static_cast<std::int64_t>(values.size())}, DType::I64));
}

}  // namespace fovea::apps
