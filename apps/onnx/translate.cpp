#include "apps/onnx/translate.h"

#include <algorithm>
#include <set>

#include "apps/onnx/ops.h"

namespace fovea::apps {
namespace {

constexpr const char *kInput = "pixel_values", *kOutput = "logits";

/// Calls the value `last` kOutput.
void name_output(OnnxGraph& graph, const std::string& last) {
    bool made = false;
    for (OnnxNode& node : graph.nodes) {
        const auto before = std::find(node.outputs.begin(), node.outputs.end(), last);
        made = made || before != node.outputs.end();
        std::replace(node.outputs.begin(), node.outputs.end(), last, std::string(kOutput));
        std::replace(node.inputs.begin(), node.inputs.end(), last, std::string(kOutput));
    }
    if (!made) graph.nodes.push_back({"Identity", kOutput, {last}, {kOutput}, {}});
}

/// Removes what the output does not need: a model may compute more than its logits.
void prune(OnnxGraph& graph) {
    std::set<std::string> needed = {kOutput};
    std::vector<OnnxNode> kept;
    for (auto node = graph.nodes.rbegin(); node != graph.nodes.rend(); ++node) {
        const auto is_needed = [&](const std::string& name) { return needed.count(name) > 0; };
        if (std::none_of(node->outputs.begin(), node->outputs.end(), is_needed)) continue;
        needed.insert(node->inputs.begin(), node->inputs.end());
        kept.push_back(std::move(*node));
    }
    std::reverse(kept.begin(), kept.end());
    graph.nodes = std::move(kept);
    std::erase_if(graph.constants,
                  [&](const OnnxConstant& c) { return needed.count(c.name) == 0; });
}

OnnxPort output_of(const BatchTrace& trace) {
    OnnxPort out{kOutput, {}};
    for (const Extent& e : trace.extents(trace.output())) {
        if (e.per_image && e.size != 1)
            refuse_onnx("several rows of logits for a picture", trace.model());
        out.extents.push_back(e.per_image ? -1 : e.size);
    }
    return out;
}

}  // namespace

const OnnxOps& onnx_ops() {
    static const OnnxOps table = [] {
        OnnxOps ops;
        add_shape_ops(ops);
        add_elementwise_ops(ops);
        add_linear_ops(ops);
        add_norm_ops(ops);
        add_map_ops(ops);
        add_attention_ops(ops);
        add_window_ops(ops);
        return ops;
    }();
    return table;
}

OnnxGraph onnx_graph(const std::string& name, const std::function<Tensor(const Tensor&)>& f,
                     const Shape& image, const std::vector<OnnxWeight>& weights) {
    std::vector<Tensor> known;
    for (const OnnxWeight& w : weights) known.push_back(w.value);
    const BatchTrace trace(name, f, image, known);

    OnnxGraph graph;
    graph.name = name;
    graph.input = {kInput, {-1, image[2], image[0], image[1]}};
    OnnxBuilder builder(trace, graph);
    for (std::size_t i = 0; i < weights.size(); ++i)
        builder.name_constant(trace.known(i), weights[i].name, weights[i].layout);
    builder.bind_planes(trace.input(), kInput);
    for (std::size_t i = 0; i < trace.ops().size(); ++i) {
        const OnnxCall call(trace, i);
        const auto op = onnx_ops().find(call.name());
        if (op == onnx_ops().end()) refuse_onnx("the operation " + call.name(), name);
        std::vector<int> values;
        for (const Trace::Argument& a : trace.ops()[i].arguments)
            values.insert(values.end(), a.tensors.begin(), a.tensors.end());
        builder.begin(values, call.name());
        op->second(builder, call);
    }
    builder.begin({}, kOutput);
    name_output(graph, builder.plain(trace.output()));
    graph.output = output_of(trace);
    prune(graph);
    return graph;
}

OnnxGraph onnx_graph(const std::string& name, Classifier& model) {
    std::vector<OnnxWeight> weights;
    for (const NamedParameter& p : parameters_of(model))
        weights.push_back({p.name, p.parameter->value, p.parameter->layout});
    for (const NamedBuffer& b : buffers_of(model)) weights.push_back({b.name, b.buffer->value});
    return onnx_graph(
        name, [&](const Tensor& images) { return model.forward(images, {}); }, model.input_shape(),
        weights);
}

}  // namespace fovea::apps
