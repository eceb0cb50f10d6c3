// The file itself: what stands in it, and what happens when it cannot be written.
#include <catch2/catch.hpp>

#include "apps/onnx/translate.h"
#include "core/build_info.h"
#include "core/error.h"
#include "core/ops/elementwise.h"
#include "tests/onnx/exported.h"
#include "tests/serialize/file_size_limit.h"

using namespace fovea;
using namespace fovea::apps;
namespace fs = std::filesystem;

namespace {

OnnxGraph small_graph() {
    const Tensor bias = Tensor::from({1, 2}, {2});
    return onnx_graph("small", [&](const Tensor& x) { return ops::relu(ops::add(x, bias)); },
                      {3, 3, 2}, {{"layer.bias", bias}});
}

std::string code_of(const OnnxGraph& graph, const std::string& path) {
    try {
        write_onnx(graph, path);
    } catch (const Error& e) {
        return e.code();
    }
    return "";
}

}  // namespace

TEST_CASE("ONNX: header, names and metadata") {
    OnnxGraph graph = small_graph();
    graph.metadata = {{"model", "small"}, {"class_names", "[\"caf\xc3\xa9\"]"}};
    const ::test::OnnxFile file;
    const std::uint64_t bytes = write_onnx(graph, file.path);
    CHECK(bytes == fs::file_size(file.path));
    const onnx::ModelProto model = file.read();
    CHECK(model.ir_version() == 8);
    REQUIRE(model.opset_import_size() == 1);
    CHECK(model.opset_import(0).version() == 17);
    CHECK(model.producer_name() == "fovea");
    CHECK(model.producer_version() == build_info().version);
    REQUIRE(model.metadata_props_size() == 2);
    CHECK(model.metadata_props(1).value() == "[\"caf\xc3\xa9\"]");
    REQUIRE(model.graph().initializer_size() == 1);
    CHECK(model.graph().initializer(0).name() == "layer.bias");
    REQUIRE(model.graph().node_size() == 3);
    CHECK(model.graph().node(0).op_type() == "Transpose");
    CHECK(model.graph().node(1).name() == "layer/Add");
    CHECK(model.graph().node(2).output(0) == "logits");
}

TEST_CASE("ONNX: a file is there as a whole or not at all") {
    const ::test::OnnxFile file;
    write_onnx(small_graph(), file.path);
    const std::uintmax_t before = fs::file_size(file.path);
    OnnxGraph large = small_graph();
    large.constants.push_back({"large", Tensor::zeros({1 << 20})});
    {
        const fovea::test::FileSizeLimit limit(1 << 20);
        CHECK(code_of(large, file.path) == "F02");
    }
    CHECK(fs::file_size(file.path) == before);
    CHECK(code_of(small_graph(), "/no/such/folder/model.onnx") == "F01");

    OnnxGraph broken = small_graph();
    broken.constants.front().value = Tensor::from({1.0, HUGE_VAL}, {2});
    CHECK(code_of(broken, file.path) == "N02");
    // 9 GB of one number, which take no memory.
    OnnxGraph huge = small_graph();
    huge.constants.push_back({"huge", Tensor::zeros({1}).expand({1 << 16, 1 << 15})});
    CHECK(code_of(huge, file.path) == "K20");
    CHECK(fs::file_size(file.path) == before);
}
