// Whole models as ONNX: what its own checker and shape inference say, and the logits of any batch.
#include <catch2/catch.hpp>

#include <onnx/checker.h>
#include <onnx/shape_inference/implementation.h>

#include <set>

#include "apps/onnx/translate.h"
#include "models/alexnet.h"
#include "models/deit.h"
#include "models/student_vit.h"
#include "models/swin.h"
#include "models/vit.h"
#include "tests/models/sample.h"
#include "tests/onnx/exported.h"

using namespace fovea;
using fovea::apps::onnx_graph;

namespace {

/// F32's rounding of the constants, and no more: both sides compute in double precision.
constexpr double kTolerance = 1e-6;

/// [N, classes] must follow from the input's shape alone.
void check_shapes(onnx::ModelProto model, std::int64_t classes) {
    model.mutable_graph()->mutable_output(0)->mutable_type()->mutable_tensor_type()->clear_shape();
    const onnx::ShapeInferenceOptions strict(true, 1, true);
    onnx::shape_inference::InferShapes(model, onnx::OpSchemaRegistry::Instance(), strict);
    const auto& shape = model.graph().output(0).type().tensor_type().shape();
    REQUIRE(shape.dim_size() == 2);
    CHECK(shape.dim(0).dim_param() == "N");
    CHECK(shape.dim(1).dim_value() == classes);
}

/// Parameters and running statistics, under their names in the layout of checkpoints.
void check_weights(const onnx::GraphProto& graph, Classifier& model) {
    std::map<std::string, test::Extents> found;
    for (const onnx::TensorProto& t : graph.initializer())
        found[t.name()] = {t.dims().begin(), t.dims().end()};
    for (const NamedParameter& p : parameters_of(model)) {
        CAPTURE(p.name);
        const Shape shape = checkpoint_shape(*p.parameter);
        CHECK((found[p.name] == test::Extents{shape.begin(), shape.end()}));
    }
    for (const NamedBuffer& b : buffers_of(model))
        CHECK((found.count(b.name) == 1) != b.name.ends_with("num_batches_tracked"));
}

/// A model may compute more than its logits; the file may not.
void check_all_needed(const onnx::GraphProto& graph) {
    std::set<std::string> used = {graph.output(0).name()};
    for (const onnx::NodeProto& node : graph.node())
        used.insert(node.input().begin(), node.input().end());
    for (const onnx::TensorProto& t : graph.initializer()) CHECK(used.count(t.name()) == 1);
    for (const onnx::NodeProto& node : graph.node()) {
        CAPTURE(node.name());
        CHECK(std::any_of(node.output().begin(), node.output().end(),
                          [&](const std::string& name) { return used.count(name) == 1; }));
    }
}

void check_model(const std::string& name, Classifier& model) {
    CAPTURE(name);
    test::shake(model, 8);
    const onnx::ModelProto file = test::exported(onnx_graph(name, model));
    onnx::checker::check_model(file);
    CHECK(file.graph().name() == name);
    CHECK(file.graph().input(0).name() == "pixel_values");
    CHECK(file.graph().input(0).type().tensor_type().shape().dim(0).dim_param() == "N");
    CHECK(file.graph().output(0).name() == "logits");
    check_shapes(file, model.classes());
    check_weights(file.graph(), model);
    check_all_needed(file.graph());

    move_to(model, Device::reference(), DType::F64);
    const Shape image = model.input_shape();
    for (const std::int64_t batch : {1, 3}) {
        CAPTURE(batch);
        const Tensor images =
            test::pictures({batch, image[0], image[1], image[2]}, DType::F64, Device::reference());
        const test::Array logits = test::evaluate(file, test::planes_of(images));
        CHECK(test::error(logits, model.forward(images, {})) < kTolerance);
    }
}

VitConfig small_vit() {
    VitConfig c;
    c.num_classes = 7;
    c.in_channels = 2;
    c.image_size = {8, 12};
    c.patch_size = {4, 4};
    c.embed_dim = 8;
    c.depth = c.num_heads = 2;
    c.mlp_hidden = 16;
    return c;
}

SwinConfig small_swin(SwinRule rule, GridSize image, GridSize window) {
    SwinConfig c;
    c.num_classes = 7;
    c.in_channels = 1;
    c.image_size = image;
    c.patch_size = {2, 2};
    c.embed_dim = 8;
    c.depths = {2, 2};
    c.num_heads = {2, 4};
    c.window = window;
    c.rule = rule;
    return c;
}

CvtConfig small_cvt() {
    CvtConfig c;
    c.num_classes = 7;
    c.in_channels = 1;
    c.image_size[0] = 17;
    c.image_size[1] = 21;
    CvtStageConfig stage;
    stage.embed_dim = 8;
    stage.num_heads = 2;
    stage.depth = 2;
    stage.conv_projection = false;
    c.stages = {stage, stage};
    c.activation = Unary::GeluErf;
    c.packed_qkv = c.scale_by_head_dim = true;
    return c;
}

}  // namespace

TEST_CASE("ONNX: a small preset of each kind of model") {
    for (const test::Small& small : test::kSmall)
        check_model(small.name, *test::make_small(small, false));
}

TEST_CASE("ONNX: ViTs with other activations, positions and heads") {
    VitConfig c = small_vit();
    c.activation = Unary::GeluTanh;
    c.representation_size = 6;
    Vit vit(c);
    check_model("vit with pre-logits", vit);
    c = small_vit();
    c.token_positions = false;
    c.qkv_bias = false;
    StudentVit student(c);
    check_model("student vit with positions of patches alone", student);
    MyDeit deit(c);
    check_model("mydeit with positions of patches alone", deit);
}

TEST_CASE("ONNX: Swins that pad before and after the shift, or not") {
    Swin torchvision(small_swin(SwinRule::Torchvision, {18, 22}, {4, 3}));
    check_model("torchvision", torchvision);
    Swin timm(small_swin(SwinRule::Timm, {18, 22}, {4, 3}));
    check_model("timm", timm);
    Swin microsoft(small_swin(SwinRule::Microsoft, {16, 16}, {4, 4}));
    check_model("microsoft", microsoft);
}

TEST_CASE("ONNX: CvTs without convolutional projections") {
    CvtConfig c = small_cvt();
    c.mean_head = true;
    Cvt mean(c);
    check_model("mean head", mean);
    c = small_cvt();
    c.stages.front().embed = CvtEmbed::DoubleConv;
    c.stages.front().class_token = c.stages.back().class_token = true;
    Cvt deep(c);
    check_model("two convolutions, class token", deep);
    c.packed_qkv = false;
    c.activation = Unary::Silu;
    Cvt apart(c);
    check_model("queries, keys and values apart", apart);
}

TEST_CASE(
    "ONNX: AlexNets with average pooling that does not divide, and norms behind linear layers") {
    AlexNetConfig c;
    c.num_classes = 7;
    c.in_channels = 2;
    c.image_size[0] = 19;
    c.image_size[1] = 23;
    c.convs = {{6, 5, 2, 2, 3, 2}, {8, 3, 1, 1, 0, 0}};
    c.conv_norm = BatchNormPlace::AfterRelu;
    c.adaptive_pool = GridSize{3, 2};
    c.hidden = {12};
    c.hidden_norm = true;
    c.dropout = {0.5, std::nullopt};
    AlexNet net(c);
    check_model("alexnet", net);
}

// The largest take gigabytes, and differ from their smaller sisters in extents alone.
TEST_CASE("registered models have an ONNX form", "[.slow]") {
    for (const std::string& name : model_names()) {
        CAPTURE(name);
        const std::unique_ptr<Classifier> model = make_model(name, {});
        if (parameter_count(*model) > 100'000'000) continue;
        const apps::OnnxGraph graph = onnx_graph(name, *model);
        CHECK(graph.output.extents == std::vector<std::int64_t>{-1, model->classes()});
        if (parameter_count(*model) > 50'000'000) continue;  // a file of it would show nothing new
        const onnx::ModelProto file = test::exported(graph);
        onnx::checker::check_model(file);
        check_shapes(file, model->classes());
        check_weights(file.graph(), *model);
    }
}
