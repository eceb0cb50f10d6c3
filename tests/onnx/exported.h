// A graph as the file that an export writes, read again by ONNX's own classes.
#pragma once

#include <onnx/onnx_pb.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

#include "apps/onnx/file.h"
#include "tests/onnx/evaluator.h"

namespace test {

struct OnnxFile {
    std::string path =
        (std::filesystem::temp_directory_path() / ("fovea_" + std::to_string(getpid()) + ".onnx"))
            .string();
    OnnxFile() = default;
    ~OnnxFile() { std::filesystem::remove(path); }
    OnnxFile(const OnnxFile&) = delete;
    OnnxFile& operator=(const OnnxFile&) = delete;

    onnx::ModelProto read() const {
        std::ifstream in(path, std::ios::binary);
        onnx::ModelProto model;
        if (!model.ParseFromIstream(&in)) throw std::runtime_error("no ONNX: " + path);
        return model;
    }
};

inline onnx::ModelProto exported(const fovea::apps::OnnxGraph& graph) {
    const OnnxFile file;
    fovea::apps::write_onnx(graph, file.path);
    return file.read();
}

/// Pictures [N,H,W,C] as the graph's input [N,C,H,W].
inline Array planes_of(const fovea::Tensor& images) {
    const fovea::Tensor planes = images.permute({0, 3, 1, 2}).contiguous();
    return {{planes.shape().begin(), planes.shape().end()}, planes.to_vector()};
}

/// Largest difference over the largest number.
inline double error(const Array& a, const fovea::Tensor& truth) {
    const std::vector<double> values = truth.to_vector();
    if (!std::equal(truth.shape().begin(), truth.shape().end(), a.shape.begin(), a.shape.end()))
        return HUGE_VAL;
    double difference = 0.0, largest = 1e-30;
    for (std::size_t i = 0; i < values.size(); ++i) {
        difference = std::max(difference, std::abs(a.values[i] - values[i]));
        largest = std::max(largest, std::abs(values[i]));
    }
    return difference / largest;
}

}  // namespace test
