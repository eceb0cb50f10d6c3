// OnnxGraph: what goes into an ONNX file, as plain data (onnx.ai, opset 17).
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/tensor.h"

namespace fovea::apps {

inline constexpr int kOnnxOpset = 17;

struct OnnxAttribute {
    std::string name;
    std::variant<std::int64_t, float, std::vector<std::int64_t>> value;
};

struct OnnxNode {
    std::string type;  ///< "Conv"
    std::string name;  ///< "layer1.0.conv1/Conv"
    std::vector<std::string> inputs, outputs;
    std::vector<OnnxAttribute> attributes;
};

/// A tensor that is part of the file: F32 or I64, on the host.
struct OnnxConstant {
    std::string name;
    Tensor value;
};

/// F32 input or output; an extent of -1 is the batch, N.
struct OnnxPort {
    std::string name;
    std::vector<std::int64_t> extents;
};

struct OnnxGraph {
    std::string name;
    OnnxPort input, output;
    std::vector<OnnxNode> nodes;  ///< every one behind those that it needs
    std::vector<OnnxConstant> constants;
    std::vector<std::pair<std::string, std::string>> metadata;
};

}  // namespace fovea::apps
