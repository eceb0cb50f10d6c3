// An OnnxGraph as an .onnx file: protobuf, by the schema's own classes.
#pragma once

#include <cstdint>
#include <string>

#include "apps/onnx/graph.h"

namespace fovea::apps {

inline constexpr int kOnnxIrVersion = 8;

/// Writes the file as a whole or not at all, and returns its size in bytes. Errors: K20 more than the 2 GiB
/// of a protobuf message; N02 a weight that is not finite; those of core/serialize/atomic_file.h.
std::uint64_t write_onnx(const OnnxGraph& graph, const std::string& path);

}  // namespace fovea::apps
