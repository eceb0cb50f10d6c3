// The AlexNet family: the authors' numbers, names, and images that do not fit.
#include "models/alexnet.h"

#include <catch2/catch.hpp>
#include <map>

#include "core/error.h"
#include "core/ops/conv.h"
#include "core/ops/elementwise.h"
#include "core/ops/matmul.h"
#include "core/ops/norm.h"
#include "core/ops/pool.h"
#include "tests/models/sample.h"

using namespace fovea;

namespace {

struct Published {
    const char* name;
    std::int64_t of_1000, of_28, of_10, of_200;  ///< parameters for so many classes; 0: not known
    std::vector<std::int64_t> sides;             ///< of images that it accepts
};

// The torch code of the study, instantiated.
const Published kStudy[] = {
    {"alexnet_500px", 62'378'344, 58'396'060, 58'322'314, 59'100'744, {227, 256}},
    {"narrow_alexnet", 21'358'429, 19'413'457, 19'377'439, 19'757'629, {227, 256}},
    {"flat_alexnet", 79'040'232, 75'057'948, 74'984'202, 75'762'632, {224, 227}},
    {"flat_alexnet_hs", 36'843'240, 32'860'956, 32'787'210, 0, {227, 256}},
    {"flat_alexnet_low_kernel", 46'673'736, 42'691'452, 42'617'706, 0, {227, 256}},
    {"flat_alexnet_high_kernel", 26'102'760, 22'120'476, 22'046'730, 0, {227, 256}},
    {"flat_alexnet_opt", 80'401'771, 72'756'991, 72'615'421, 0, {227, 256}},
    {"dropout_network", 80'401'771, 72'756'991, 72'615'421, 0, {227, 256}},
    {"flat_alexnet_bn", 80'434'913, 72'790'133, 72'648'563, 0, {227, 256}},
    {"alexnet", 61'100'840, 57'118'556, 57'044'810, 57'823'240, {224, 63, 100}},
};

std::unique_ptr<Classifier> with_classes(const char* name, std::int64_t classes) {
    ModelOptions options;
    options.num_classes = classes;
    return make_model(name, options);
}

/// The only difference is the last layer: a weight for each of its inputs, and a bias.
std::int64_t with_other_classes(Classifier& model, std::int64_t classes) {
    const std::vector<NamedParameter> all = parameters_of(model);
    const std::int64_t inputs = all[all.size() - 2].parameter->value.size(1);
    return parameter_count(model) + (classes - model.classes()) * (inputs + 1);
}

void check_counts(const Published& p) {
    CAPTURE(p.name);
    const auto model = with_classes(p.name, 10);
    CHECK(parameter_count(*model) == p.of_10);
    CHECK(with_other_classes(*model, 28) == p.of_28);
    CHECK(with_other_classes(*model, 1000) == p.of_1000);
    if (p.of_200 > 0) CHECK(with_other_classes(*model, 200) == p.of_200);
}

std::int64_t parameters(const char* name) { return parameter_count(*make_model(name, {})); }

/// What making the model with images of this size says, or "".
std::string refusal(const char* name, std::int64_t height, std::int64_t width) {
    ModelOptions options;
    options.height = height;
    options.width = width;
    options.num_classes = 2;
    try {
        make_model(name, options);
    } catch (const Error& e) {
        CHECK(e.code() == "C04");
        return format_error(e);
    }
    return "";
}

std::vector<std::string> names_of(Module& model) {
    std::vector<std::string> names;
    for (const NamedParameter& p : parameters_of(model)) names.push_back(p.name);
    return names;
}

}  // namespace

TEST_CASE("the study's networks have the authors' numbers of parameters") {
    for (const Published& p : kStudy) check_counts(p);
    std::map<std::string, std::int64_t> layers;
    const auto alexnet = with_classes("alexnet_500px", 1);
    for (const NamedParameter& p : parameters_of(*alexnet))
        layers[p.name.substr(0, p.name.find('.'))] += p.parameter->value.numel();
    CHECK(layers == std::map<std::string, std::int64_t>{{"conv1", 34'944},
                                                        {"conv2", 614'656},
                                                        {"conv3", 885'120},
                                                        {"conv4", 1'327'488},
                                                        {"conv5", 884'992},
                                                        {"fc1", 37'752'832},
                                                        {"fc2", 16'781'312},
                                                        {"fc3", 4'097}});
    CHECK(parameters("narrow_alexnet") == 19'413'457);  // the study's 28 classes
    CHECK(parameters("teacher_mnist") == 1'199'882);
    CHECK(parameters("teacher_vgg") == 871'018);
    CHECK(parameters("teacher_bn") == 1'147'722);
}

TEST_CASE("the network of lower strides, whose first linear layer is large", "[.slow]") {
    check_counts({"flat_alexnet_ls", 377'269'992, 373'287'708, 373'213'962, 0, {227}});
}

TEST_CASE("multiply-adds of an AlexNet") {
    // Positions times weights, layer by layer, and the linear layers.
    const std::int64_t convolutions = 55 * 55 * 96 * 11 * 11 * 3 + 27 * 27 * 256 * 25 * 96 +
                                      13 * 13 * 9 * (256 * 384 + 384 * 384 + 384 * 256);
    const std::int64_t linear = 9216 * 4096 + 4096 * 4096 + 4096 * 28;
    CHECK(make_model("alexnet_500px", {})->macs() == convolutions + linear);
    // Published for torchvision's: 0.71 G.
    CHECK(static_cast<double>(make_model("alexnet", {})->macs()) == Approx(0.714e9).epsilon(1e-2));
}

TEST_CASE("images of the sizes that the study names are accepted, others named in the error") {
    for (const Published& p : kStudy)
        for (const std::int64_t side : p.sides) {
            CAPTURE(p.name, side);
            CHECK(refusal(p.name, side, side) == "");
        }
    const std::string too_small = refusal("alexnet_500px", 224, 224);
    CHECK(too_small.find("224x224 come to maps of 5x5") != std::string::npos);
    CHECK(too_small.find("made for 6x6") != std::string::npos);
    CHECK(too_small.find("227 to 258") != std::string::npos);
    CHECK(refusal("alexnet_500px", 227, 224).find("6x5") != std::string::npos);
    CHECK(refusal("flat_alexnet_opt", 224, 224) != "");
    CHECK(refusal("alexnet_500px", 20, 20).find("too small") != std::string::npos);
    CHECK(refusal("alexnet", 62, 62).find("63 or more") != std::string::npos);
    CHECK(refusal("alexnet", 63, 200) == "");
}

TEST_CASE("an image of another size than the model is made for is refused") {
    const auto model = make_model("alexnet_tiny", {});
    CHECK_THROWS_AS(model->forward(test::pictures({1, 131, 131, 3}, DType::F32, Device::cpu()), {}),
                    Error);
}

TEST_CASE("parameters are named and ordered as the authors' modules") {
    CHECK(names_of(*make_model("teacher_mnist", {})) ==
          std::vector<std::string>{"conv1.weight", "conv1.bias", "conv2.weight", "conv2.bias",
                                   "fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"});
    ModelOptions options;
    options.num_classes = 3;
    options.height = options.width = 67;
    CHECK(names_of(*make_model("flat_alexnet_67", options)) ==
          std::vector<std::string>{"conv1.weight", "conv1.bias", "conv2.weight", "conv2.bias",
                                   "conv3.weight", "conv3.bias", "fc1.weight", "fc1.bias",
                                   "fc2.weight", "fc2.bias", "fc3.weight", "fc3.bias"});
    const std::vector<std::string> bn = names_of(*make_model("teacher_bn", {}));
    CHECK(bn.front() == "features.0.weight");
    CHECK(bn[1] == "features.1.weight");
    CHECK(bn[3] == "features.3.weight");
    CHECK(bn[6] == "features.7.weight");  // behind the pooling
    CHECK(bn.back() == "classifier.1.bias");

    AlexNetConfig config = *alexnet_preset("alexnet_tiny");
    config.conv_norm = BatchNormPlace::AfterRelu;
    config.hidden_norm = true;
    AlexNet model(config);
    const std::vector<std::string> numbered = names_of(model);
    CHECK(numbered[2] == "conv1_bn.weight");
    CHECK(numbered[20] == "fc1.weight");
    CHECK(numbered[22] == "fc1_bn.weight");
    CHECK(numbered.back() == "fc3.bias");
    config.names = AlexNetNames::Sequential;
    AlexNet sequential(config);
    const std::vector<std::string> counted = names_of(sequential);
    CHECK(counted[0] == "features.0.weight");
    CHECK(counted[2] == "features.2.weight");     // BatchNorm behind the ReLU
    CHECK(counted[4] == "features.4.weight");     // behind the pooling
    CHECK(counted[20] == "classifier.0.weight");  // no dropout in front
    CHECK(counted[22] == "classifier.1.weight");  // BatchNorm in front of the ReLU
    CHECK(counted[24] == "classifier.4.weight");  // behind ReLU and dropout
}

TEST_CASE(
    "FlatAlexNetBN normalises behind the ReLU of convolutions, before that of linear layers") {
    AlexNetConfig config = *alexnet_preset("flat_alexnet_bn");
    config.convs = {{3, 3, 2, 1, 2, 1}};
    config.image_size[0] = config.image_size[1] = 9;
    config.map = GridSize{4, 4};
    config.hidden = {5};
    config.dropout = {std::nullopt, 0.0};
    AlexNet model(config);
    test::shake(model, 2);
    std::map<std::string, Tensor> t;
    for (const NamedParameter& p : parameters_of(model)) t[p.name] = p.parameter->value;
    const auto norm = [&](const Tensor& x, const std::string& name) {
        const std::int64_t c = x.size(-1);
        return ops::batch_norm(x, t.at(name + ".weight"), t.at(name + ".bias"), Tensor::zeros({c}),
                               Tensor::full({c}, 1.0), false, 1e-5, 0.1);
    };
    const auto linear = [&](const Tensor& x, const std::string& name) {
        return ops::linear(x, t.at(name + ".weight"), t.at(name + ".bias"));
    };
    const Tensor images = test::pictures({2, 9, 9, 3}, DType::F32, Device::cpu());
    Tensor x = ops::relu(
        ops::conv2d(images, t.at("conv1.weight"), t.at("conv1.bias"), {{2, 2}, {1, 1}, {1, 1}, 1}));
    x = ops::max_pool2d(norm(x, "conv1_bn"), {{2, 2}, {1, 1}, {0, 0}, false, true});
    x = x.permute({0, 3, 1, 2}).contiguous().reshape({2, 48});  // channels first
    x = linear(ops::relu(norm(linear(x, "fc1"), "fc1_bn")), "fc2");
    CHECK(model.forward(images, {}).to_vector() == x.to_vector());
}

TEST_CASE("dropout goes to the places that a network has for it") {
    const auto rates = [](const char* name, double dropout) {
        ModelOptions options;
        options.num_classes = 2;
        options.dropout = dropout;
        const auto model = make_model(name, options);
        struct Rates : Visitor {
            std::vector<double> found;
            void enter_module(const std::string&, Module& m) override {
                if (const auto* d = dynamic_cast<Dropout*>(&m)) found.push_back(d->rate);
            }
        } collect;
        model->visit(collect);
        return collect.found;
    };
    CHECK(rates("teacher_mnist", -1.0) == std::vector<double>{0.25, 0.5});
    CHECK(rates("teacher_mnist", 0.1) == std::vector<double>{0.1, 0.1});
    CHECK(rates("alexnet_67", -1.0) == std::vector<double>{0.0, 0.0});
    CHECK(rates("alexnet_67", 0.3) == std::vector<double>{0.3, 0.3});
    CHECK(alexnet_preset("alexnet")->dropout ==
          std::vector<std::optional<double>>{0.5, 0.5, std::nullopt});
    CHECK(alexnet_preset("dropout_network")->dropout ==
          std::vector<std::optional<double>>{std::nullopt, 0.25, 0.25, 0.25});
    ModelOptions options;
    options.drop_path = 0.1;
    CHECK_THROWS_AS(make_model("teacher_mnist", options), Error);
    options.drop_path = 0.0;
    CHECK_NOTHROW(make_model("teacher_mnist", options));
}

TEST_CASE("an AlexNet needs convolutions and a place for dropout before each linear layer") {
    AlexNetConfig config = *alexnet_preset("alexnet_tiny");
    CHECK_NOTHROW(AlexNet(config));
    config.dropout.pop_back();
    CHECK_THROWS_AS(AlexNet(config), Error);
    config = *alexnet_preset("alexnet_tiny");
    config.convs.clear();
    CHECK_THROWS_AS(AlexNet(config), Error);
    CHECK_FALSE(alexnet_preset("alexnet_82").has_value());
}
