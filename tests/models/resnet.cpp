// ResNet: the published numbers, names, and where stride, skip and drop-path go.
#include "models/resnet.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <map>

#include "core/error.h"
#include "models/weights.h"
#include "tests/models/sample.h"

using namespace fovea;

namespace {

struct Published {
    const char* name;
    std::map<std::int64_t, std::int64_t> parameters;  ///< by number of classes
    std::int64_t buffers, entries;                    ///< buffered numbers, tensors of the state
    double gmacs;                                     ///< at 224x224
};

// torchvision, instantiated; multiply-adds from its model cards.
const Published kPublished[] = {
    {"resnet18",
     {{1000, 11'689'512},
      {200, 11'279'112},
      {196, 11'277'060},
      {100, 11'227'812},
      {28, 11'190'876},
      {11, 11'182'155},
      {10, 11'181'642}},
     9'620,
     122,
     1.81},
    {"resnet34",
     {{1000, 21'797'672},
      {200, 21'387'272},
      {196, 21'385'220},
      {100, 21'335'972},
      {28, 21'299'036},
      {11, 21'290'315},
      {10, 21'289'802}},
     17'060,
     218,
     3.66},
    {"resnet50",
     {{1000, 25'557'032},
      {200, 23'917'832},
      {196, 23'909'636},
      {100, 23'712'932},
      {28, 23'565'404},
      {11, 23'530'571},
      {10, 23'528'522}},
     53'173,
     320,
     4.09},
    {"resnet101",
     {{1000, 44'549'160},
      {200, 42'909'960},
      {196, 42'901'764},
      {100, 42'705'060},
      {28, 42'557'532},
      {11, 42'522'699},
      {10, 42'520'650}},
     105'448,
     626,
     7.80},
};

std::map<std::string, Shape> shapes_of(Module& model) {
    std::map<std::string, Shape> shapes;
    for (const NamedParameter& p : parameters_of(model))
        shapes[p.name] = checkpoint_shape(*p.parameter);
    return shapes;
}

/// Standard deviation around zero.
double deviation(const std::vector<double>& values) {
    double squares = 0.0;
    for (const double v : values) squares += v * v;
    return std::sqrt(squares / static_cast<double>(values.size()));
}

std::map<std::string, std::vector<double>> state(Module& model) {
    std::map<std::string, std::vector<double>> values;
    for (const StateTensor& t : state_of(model)) values[t.name] = t.value.to_vector();
    return values;
}

}  // namespace

TEST_CASE("ResNets have torchvision's numbers") {
    for (const Published& p : kPublished) {
        CAPTURE(p.name);
        const auto model = make_model(p.name, {});
        const std::int64_t inputs = parameters_of(*model).rbegin()[1].parameter->value.size(1);
        for (const auto& [classes, count] : p.parameters)
            CHECK(parameter_count(*model) + (classes - 1000) * (inputs + 1) == count);
        std::int64_t buffers = 0;
        for (const NamedBuffer& b : buffers_of(*model)) buffers += b.buffer->value.numel();
        CHECK(buffers == p.buffers);
        CHECK(state_of(*model).size() == static_cast<std::size_t>(p.entries));
        CHECK(static_cast<double>(model->macs()) == Approx(p.gmacs * 1e9).epsilon(0.01));
    }
}

TEST_CASE("the stem for small images has 3x3 weights and keeps the size") {
    ModelOptions thousand;
    thousand.num_classes = 1000;
    const auto model = make_model("resnet18_64", thousand);
    CHECK(parameter_count(*model) == 11'689'512 - 9'408 + 1'728);
    for (const Published& p : kPublished)
        CHECK(parameter_count(*make_model(p.name + std::string("_64"), {})) ==
              p.parameters.at(200) - 9'408 + 1'728);
    CHECK((model->input_shape() == Shape{64, 64, 3}));
    CHECK(shapes_of(*model)["conv1.weight"] == Shape{64, 3, 3, 3});
    // The stages see four times the extents that 64x64 images would have behind the large stem.
    ResNetConfig config = *resnet_preset("resnet18_64");
    const std::int64_t own = ResNet(config).macs();
    config.stem = ResNetStem::ImageNet;
    config.image_size[0] = config.image_size[1] = 256;
    const std::int64_t stem = 64 * 64 * 1'728, large_stem = 128 * 128 * 9'408;
    CHECK(own - stem == ResNet(config).macs() - large_stem);
}

TEST_CASE("blocks are named as torchvision's, and the 3x3 convolution carries the stride") {
    const auto model = make_model("resnet_tiny_bottleneck", {});
    std::vector<std::string> names;
    for (const NamedParameter& p : parameters_of(*model)) names.push_back(p.name);
    const std::vector<std::string> begin = {"conv1.weight",
                                            "bn1.weight",
                                            "bn1.bias",
                                            "layer1.0.conv1.weight",
                                            "layer1.0.bn1.weight",
                                            "layer1.0.bn1.bias",
                                            "layer1.0.conv2.weight",
                                            "layer1.0.bn2.weight",
                                            "layer1.0.bn2.bias",
                                            "layer1.0.conv3.weight",
                                            "layer1.0.bn3.weight",
                                            "layer1.0.bn3.bias",
                                            "layer1.0.downsample.0.weight",
                                            "layer1.0.downsample.1.weight",
                                            "layer1.0.downsample.1.bias",
                                            "layer1.1.conv1.weight"};
    REQUIRE(names.size() > begin.size());
    CHECK(std::equal(begin.begin(), begin.end(), names.begin()));
    CHECK(names.back() == "fc.bias");
    std::map<std::string, Shape> shapes = shapes_of(*model);
    CHECK(shapes["layer2.0.conv2.weight"] == Shape{8, 8, 3, 3});
    CHECK(shapes["layer2.0.downsample.0.weight"] == Shape{32, 16, 1, 1});
    CHECK(shapes.count("layer1.1.downsample.0.weight") == 0);

    const ResNetBlock block(*resnet_preset("resnet50"), 256, 128, 2, 0.0);
    CHECK(block.branch[0].conv.params.stride[0] == 1);
    CHECK(block.branch[1].conv.params.stride[0] == 2);
    CHECK(block.skip->conv.params.stride[1] == 2);
}

TEST_CASE("grouped and wide bottlenecks") {
    ResNetConfig config = *resnet_preset("resnet50");
    config.groups = 32;
    config.width_per_group = 4;
    ResNet next(config);
    CHECK(parameter_count(next) == 25'028'904);  // resnext50_32x4d
    CHECK(shapes_of(next)["layer1.0.conv2.weight"] == Shape{128, 4, 3, 3});
    config.groups = 1;
    config.width_per_group = 128;
    ResNet wide(config);
    CHECK(parameter_count(wide) == 68'883'240);  // wide_resnet50_2
}

TEST_CASE("initial weights of a ResNet") {
    ResNet model(*resnet_preset("resnet18_64"));
    model.initialise(3);
    const auto values = state(model);
    const std::vector<double>& conv = values.at("layer3.0.conv1.weight");
    // Five standard errors of the estimate.
    const double slack = 5.0 / std::sqrt(2.0 * static_cast<double>(conv.size()));
    CHECK(deviation(conv) == Approx(std::sqrt(2.0 / (256 * 9))).epsilon(slack));
    const double largest = *std::max_element(conv.begin(), conv.end());
    CHECK(largest > 4.0 * deviation(conv));  // not truncated
    const double bound = 1.0 / std::sqrt(512.0);
    for (const char* name : {"fc.weight", "fc.bias"}) {
        const std::vector<double>& v = values.at(name);
        CHECK(*std::max_element(v.begin(), v.end()) <= bound);
        CHECK(*std::max_element(v.begin(), v.end()) > 0.9 * bound);
    }
    CHECK(values.at("layer1.0.bn2.weight") == std::vector<double>(64, 1.0));

    ModelOptions options;
    options.zero_init = true;
    const auto zero = make_model("resnet_tiny", options);
    zero->initialise(3);
    const auto zeroed = state(*zero);
    CHECK(zeroed.at("layer1.0.bn2.weight") == std::vector<double>(8, 0.0));
    CHECK(zeroed.at("layer1.0.bn1.weight") == std::vector<double>(8, 1.0));
    CHECK(zeroed.at("layer2.0.downsample.1.weight") == std::vector<double>(16, 1.0));
    for (const test::Small& small : test::kSmall) {
        CAPTURE(small.name);
        if (resnet_preset(small.name)) continue;
        try {
            make_model(small.name, options);
            FAIL("no error");
        } catch (const Error& e) {
            CHECK(e.code() == "C04");
            CHECK(e.at() == "--zero-init");
        }
    }
}

TEST_CASE("drop-path rises evenly over all blocks") {
    ModelOptions options;
    options.drop_path = 0.4;
    const auto model = make_model("resnet_tiny_bottleneck", options);
    struct Rates : Visitor {
        std::vector<double> found;
        void enter_module(const std::string&, Module& m) override {
            if (const auto* path = dynamic_cast<DropPath*>(&m)) found.push_back(path->rate);
        }
    } rates;
    model->visit(rates);
    REQUIRE(rates.found.size() == 5);
    for (std::size_t i = 0; i < 5; ++i)
        CHECK(rates.found[i] == Approx(0.1 * static_cast<double>(i)));
}

TEST_CASE("any image that leaves a pixel will do; basic blocks do not expand") {
    const auto model = make_model("resnet_tiny", {});
    model->initialise(1);
    for (const Shape& images : {Shape{1, 224, 224, 3}, Shape{2, 1, 1, 3}, Shape{2, 37, 50, 3}})
        CHECK(model->forward(test::pictures(images, DType::F32, Device::cpu()), {}).shape() ==
              Shape{images[0], 10});
    ResNetConfig config = *resnet_preset("resnet_tiny");
    config.expansion = 4;
    CHECK_THROWS_AS(ResNet(config), Error);
    config = *resnet_preset("resnet_tiny");
    config.layers[2] = 0;
    CHECK_THROWS_AS(ResNet(config), Error);
    CHECK_FALSE(resnet_preset("resnet19").has_value());
}
