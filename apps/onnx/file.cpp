#include "apps/onnx/file.h"

#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <onnx/onnx_pb.h>

#include <exception>
#include <limits>
#include <span>

#include "core/build_info.h"
#include "core/error.h"
#include "core/serialize/atomic_file.h"
#include "core/serialize/checkpoint.h"

namespace fovea::apps {
namespace {

void set(onnx::AttributeProto& to, const OnnxAttribute& from) {
    to.set_name(from.name);
    if (const auto* i = std::get_if<std::int64_t>(&from.value)) {
        to.set_type(onnx::AttributeProto::INT);
        to.set_i(*i);
    } else if (const auto* f = std::get_if<float>(&from.value)) {
        to.set_type(onnx::AttributeProto::FLOAT);
        to.set_f(*f);
    } else {
        to.set_type(onnx::AttributeProto::INTS);
        for (const std::int64_t each : std::get<std::vector<std::int64_t>>(from.value))
            to.add_ints(each);
    }
}

void set(onnx::NodeProto& to, const OnnxNode& from) {
    to.set_op_type(from.type);
    to.set_name(from.name);
    for (const std::string& name : from.inputs) to.add_input(name);
    for (const std::string& name : from.outputs) to.add_output(name);
    for (const OnnxAttribute& attribute : from.attributes) set(*to.add_attribute(), attribute);
}

std::size_t bytes_of(const Tensor& t) {
    return static_cast<std::size_t>(t.numel()) * size_of(t.dtype());
}

void set(onnx::TensorProto& to, const OnnxConstant& from) {
    const Tensor& t = from.value;
    to.set_name(from.name);
    to.set_data_type(t.dtype() == DType::I64 ? onnx::TensorProto::INT64 : onnx::TensorProto::FLOAT);
    for (const std::int64_t extent : t.shape()) to.add_dims(extent);
    to.set_raw_data(t.data(), bytes_of(t));
}

void set(onnx::ValueInfoProto& to, const OnnxPort& from) {
    to.set_name(from.name);
    auto& type = *to.mutable_type()->mutable_tensor_type();
    type.set_elem_type(onnx::TensorProto::FLOAT);
    for (const std::int64_t extent : from.extents) {
        auto& dim = *type.mutable_shape()->add_dim();
        if (extent < 0)
            dim.set_dim_param("N");
        else
            dim.set_dim_value(extent);
    }
}

void set(onnx::ModelProto& to, const OnnxGraph& from) {
    to.set_ir_version(kOnnxIrVersion);
    auto& opset = *to.add_opset_import();
    opset.set_domain("");
    opset.set_version(kOnnxOpset);
    to.set_producer_name("fovea");
    to.set_producer_version(std::string(build_info().version));
    for (const auto& [key, value] : from.metadata) {
        auto& entry = *to.add_metadata_props();
        entry.set_key(key);
        entry.set_value(value);
    }
    auto& graph = *to.mutable_graph();
    graph.set_name(from.name);
    set(*graph.add_input(), from.input);
    set(*graph.add_output(), from.output);
    for (const OnnxNode& node : from.nodes) set(*graph.add_node(), node);
    for (const OnnxConstant& constant : from.constants) set(*graph.add_initializer(), constant);
}

/// protobuf's way into an AtomicFile. Its code knows no exceptions, so an error waits here.
class Sink : public google::protobuf::io::CopyingOutputStream {
public:
    explicit Sink(AtomicFile& file) : file_(file) {}
    bool Write(const void* data, int bytes) override {
        try {
            file_.write(data, static_cast<std::size_t>(bytes));
            return true;
        } catch (...) {
            failed_ = std::current_exception();
            return false;
        }
    }
    void rethrow() const {
        if (failed_) std::rethrow_exception(failed_);
    }

private:
    AtomicFile& file_;
    std::exception_ptr failed_;
};

void require_room(std::uint64_t bytes, const std::string& path) {
    if (bytes > std::numeric_limits<std::int32_t>::max())
        throw Error("K20",
                    "the network takes " + std::to_string(bytes >> 20) +
                        " MiB, and an ONNX file has room for 2047",
                    path, "--format safetensors");
}

}  // namespace

std::uint64_t write_onnx(const OnnxGraph& graph, const std::string& path) {
    std::uint64_t constants = 0;
    for (const OnnxConstant& c : graph.constants) constants += bytes_of(c.value);
    require_room(constants, path);  // before they are copied
    for (const OnnxConstant& c : graph.constants)
        if (first_nonfinite(c.value.dtype(),
                            {static_cast<const std::byte*>(c.value.data()), bytes_of(c.value)}))
            throw Error("N02", "tensor " + c.name + " is not finite", path,
                        "a lower --lr or --clip 1.0");
    onnx::ModelProto model;
    set(model, graph);
    const std::uint64_t bytes = model.ByteSizeLong();
    require_room(bytes, path);

    AtomicFile file(path, bytes);
    Sink sink(file);
    bool written = false;
    {
        google::protobuf::io::CopyingOutputStreamAdaptor stream(&sink, 1 << 20);
        written = model.SerializeToZeroCopyStream(&stream) && stream.Flush();
    }
    sink.rethrow();
    if (!written) throw Error("F03", "the ONNX file could not be written", path);
    file.commit();
    return bytes;
}

}  // namespace fovea::apps
