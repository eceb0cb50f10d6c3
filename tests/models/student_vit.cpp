// The Fashion-MNIST study's ViT: its numbers, both kinds of position rows, its initial weights.
#include "models/student_vit.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <map>

#include "models/weights.h"
#include "tests/models/sample.h"

using namespace fovea;

namespace {

std::map<std::string, Shape> shapes_of(Module& model) {
    std::map<std::string, Shape> shapes;
    for (const NamedParameter& p : parameters_of(model))
        shapes[p.name] = p.parameter->value.shape();
    return shapes;
}

}  // namespace

TEST_CASE("student ViT: parameter counts are the study's") {
    CHECK(parameter_count(*make_model("vit_fmnist", {})) == 210'122);
    CHECK(parameter_count(*make_model("vit_fmnist_49", {})) == 210'058);
    CHECK(parameter_count(*make_model("vit_cifar", {})) == 827'530);
    CHECK(static_cast<double>(make_model("vit_fmnist", {})->macs()) ==
          Approx(11.8e6).epsilon(1e-2));
}

TEST_CASE("student ViT: names and shapes") {
    const auto model = make_model("vit_fmnist", {});
    std::map<std::string, Shape> shapes = shapes_of(*model);
    CHECK(shapes.size() == 4 + 6 * 16 + 6);
    CHECK(shapes["embedding.cls_token"] == Shape{1, 1, 64});
    CHECK(shapes["embedding.pos_embedding"] == Shape{1, 50, 64});
    CHECK(shapes["embedding.conv1.weight"] == Shape{64, 4, 4, 1});
    for (const char* part : {"queries", "keys", "values", "out_projection"})
        CHECK(shapes["encoder.5.attention." + std::string(part) + ".weight"] == Shape{64, 64});
    CHECK(shapes["encoder.0.fc1.weight"] == Shape{128, 64});
    CHECK(shapes["encoder.0.fc2.bias"] == Shape{64});
    CHECK(shapes["norm.bias"] == Shape{64});
    CHECK(shapes["classifier.fc1.weight"] == Shape{64, 64});
    CHECK(shapes["classifier.fc2.weight"] == Shape{10, 64});
    shapes = shapes_of(*make_model("vit_fmnist_49", {}));
    CHECK(shapes["embedding.pos_embedding"] == Shape{1, 49, 64});
}

TEST_CASE("student ViT: the class token has a position, or has none") {
    // The class token's row can be added to the class token itself, and the two forms are one.
    const auto old_style = make_model("vit_fmnist", {}),
               new_style = make_model("vit_fmnist_49", {});
    test::shake(*old_style, 7);
    for (const StateTensor& t : state_of(*old_style)) {
        Tensor value = t.value;
        if (t.name == "embedding.pos_embedding") value = value.slice(1, 1, 50).contiguous();
        if (t.name == "embedding.cls_token") {
            std::vector<double> sum = value.to_vector();
            const std::vector<double> row = state_of(*old_style)[1].value.to_vector();
            for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += row[i];
            value = Tensor::from(sum, value.shape());
        }
        REQUIRE(set_state(*new_style, t.name, value));
    }
    const Tensor images = test::pictures({2, 28, 28, 1}, DType::F32, Device::cpu());
    const std::vector<double> a = old_style->forward(images, {}).to_vector(),
                              b = new_style->forward(images, {}).to_vector();
    for (std::size_t i = 0; i < a.size(); ++i) CHECK(a[i] == Approx(b[i]).margin(1e-5));
}

TEST_CASE("student ViT: initial weights as the study draws them") {
    const auto model = make_model("vit_fmnist", {});
    model->initialise(5);
    for (const NamedParameter& p : parameters_of(*model)) {
        CAPTURE(p.name);
        const std::vector<double> v = p.parameter->value.to_vector();
        if (p.name.find("norm") != std::string::npos) {
            CHECK(v == std::vector<double>(v.size(), p.name.ends_with("weight") ? 1.0 : 0.0));
        } else if (p.name.ends_with("bias")) {
            CHECK(v == std::vector<double>(v.size(), 0.0));
        } else {
            double squares = 0.0;
            for (const double x : v) squares += x * x;
            const auto n = static_cast<double>(v.size());
            CHECK(std::sqrt(squares / n) == Approx(0.02).epsilon(5.0 / std::sqrt(2.0 * n)));
        }
    }
}

TEST_CASE("student ViT: dropout is the study's 0.1 unless asked otherwise") {
    const Tensor images = test::pictures({2, 28, 28, 1}, DType::F32, Device::cpu());
    const Pass training{true, 1, 1};
    const auto repeats = [&](const ModelOptions& options) {
        const auto model = make_model("vit_fmnist", options);
        model->initialise(1);
        return model->forward(images, training).to_vector() ==
               model->forward(images, {}).to_vector();
    };
    CHECK_FALSE(repeats({}));
    ModelOptions none;
    none.dropout = 0.0;
    CHECK(repeats(none));
}
