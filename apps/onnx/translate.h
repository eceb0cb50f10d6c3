// A model as a graph of ONNX, by tracing it: whatever ops it is made of, it needs no code of its own.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "apps/onnx/graph.h"
#include "models/classifier.h"

namespace fovea::apps {

/// A tensor that keeps its name in the file.
struct OnnxWeight {
    std::string name;
    Tensor value;
    Layout layout = Layout::Plain;
};

/// f takes pictures [N,H,W,C] (`image` is {H,W,C}; F32, on the CPU); the graph takes pixel_values
/// [N,C,H,W] and gives logits, for any N. Error K20: an op without a form in ONNX, or something that
/// depends on the batch in a way that has none.
OnnxGraph onnx_graph(const std::string& name, const std::function<Tensor(const Tensor&)>& f,
                     const Shape& image, const std::vector<OnnxWeight>& weights);

/// The same of a classifier's inference, with its parameters under their names, in checkpoint layout.
OnnxGraph onnx_graph(const std::string& name, Classifier& model);

}  // namespace fovea::apps
