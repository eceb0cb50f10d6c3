// CvT: the published numbers, names, and that the named models run.
#include "models/cvt.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <map>
#include <set>

#include "core/allocator.h"
#include "core/error.h"
#include "tests/models/sample.h"

using namespace fovea;

namespace {

std::int64_t macs(const char* name, std::int64_t side, std::int64_t classes = 1000,
                  std::int64_t channels = 3) {
    CvtConfig config = *cvt_preset(name);
    config.image_size[0] = config.image_size[1] = side;
    config.num_classes = classes;
    config.in_channels = channels;
    return cvt_macs(config);
}

Tensor forward(const char* name, const Shape& images) {
    ModelOptions options;
    options.in_channels = images[3];
    const auto model = make_model(name, options);
    model->initialise(1);
    return model->forward(test::pictures(images, DType::F32, Device::cpu()), Pass{});
}

bool finite(const std::vector<double>& values) {
    return std::all_of(values.begin(), values.end(), [](double v) { return std::isfinite(v); });
}

}  // namespace

TEST_CASE("parameter counts are the published ones") {
    struct Published {
        const char* name;
        std::int64_t of_1000, of_200, of_10, buffers;
        std::size_t entries;  ///< tensors of the state
    };
    for (const Published& p : {Published{"cvt13", 19'997'480, 19'689'480, 19'616'330, 25'767, 459},
                               {"cvt21", 31'622'696, 31'314'696, 31'241'546, 41'919, 731},
                               {"cvt_w24", 277'196'392, 276'376'392, 276'181'642, 134'472, 833}}) {
        CAPTURE(p.name);
        for (const auto& [classes, count] : {std::pair<std::int64_t, std::int64_t>{1000, p.of_1000},
                                             {200, p.of_200},
                                             {10, p.of_10}}) {
            ModelOptions options;
            options.num_classes = classes;
            const auto model = make_model(p.name, options);
            CHECK(parameter_count(*model) == count);
            std::int64_t buffers = 0;
            for (const NamedBuffer& b : buffers_of(*model)) buffers += b.buffer->value.numel();
            CHECK(buffers == p.buffers);
            CHECK(parameters_of(*model).size() + buffers_of(*model).size() == p.entries);
        }
        allocator::release_cached(Device::cpu());  // memory that nobody touched is given back
    }
    std::map<std::string, std::int64_t> stages;
    const auto cvt13 = make_model("cvt13", {});
    for (const NamedParameter& p : parameters_of(*cvt13))
        stages[p.name.substr(0, p.name.find('.'))] += p.parameter->value.numel();
    CHECK(stages == std::map<std::string, std::int64_t>{{"stage0", 61'696},
                                                        {"stage1", 1'013'568},
                                                        {"stage2", 18'536'448},
                                                        {"norm", 768},
                                                        {"head", 385'000}});
}

TEST_CASE("multiply-adds are the published ones") {
    CHECK(static_cast<double>(macs("cvt13", 224)) == Approx(4.566e9).epsilon(1e-3));
    CHECK(static_cast<double>(macs("cvt21", 224)) == Approx(7.178e9).epsilon(1e-3));
    CHECK(static_cast<double>(macs("cvt13", 384)) == Approx(16.27e9).epsilon(1e-3));
    CHECK(static_cast<double>(macs("cvt21", 384)) == Approx(24.85e9).epsilon(1e-3));
    CHECK(static_cast<double>(macs("cvt_w24", 384)) == Approx(194.2e9).epsilon(1e-3));
    CHECK(static_cast<double>(macs("cvt13", 64, 200)) == Approx(0.351e9).epsilon(2e-3));
    CHECK(macs("cvt_28", 28, 10, 1) <= 6'000'000);
    ModelOptions options;
    options.height = options.width = 384;
    CHECK(make_model("cvt13", options)->macs() == macs("cvt13", 384));
}

TEST_CASE("parameters come in the order of Microsoft's state_dict, with its names and shapes") {
    const auto model = make_model("cvt_tiny", {});
    std::vector<std::string> names;
    std::map<std::string, Shape> shapes;
    for (const NamedParameter& p : parameters_of(*model)) {
        names.push_back(p.name);
        shapes[p.name] = checkpoint_shape(*p.parameter);
    }
    const std::vector<std::string> expected_begin = {"stage0.patch_embed.proj.weight",
                                                     "stage0.patch_embed.proj.bias",
                                                     "stage0.patch_embed.norm.weight",
                                                     "stage0.patch_embed.norm.bias",
                                                     "stage0.blocks.0.norm1.weight",
                                                     "stage0.blocks.0.norm1.bias",
                                                     "stage0.blocks.0.attn.conv_proj_q.conv.weight",
                                                     "stage0.blocks.0.attn.conv_proj_q.bn.weight",
                                                     "stage0.blocks.0.attn.conv_proj_q.bn.bias"};
    REQUIRE(names.size() > expected_begin.size());
    CHECK(std::equal(expected_begin.begin(), expected_begin.end(), names.begin()));
    CHECK(names[names.size() - 4] == "norm.weight");
    CHECK(names.back() == "head.bias");
    CHECK(std::set<std::string>(names.begin(), names.end()).size() == names.size());
    CHECK(std::count(names.begin(), names.end(), "stage2.cls_token") == 1);
    CHECK(std::count(names.begin(), names.end(), "stage1.cls_token") == 0);
    CHECK(std::count(names.begin(), names.end(), "stage2.blocks.2.mlp.fc2.bias") == 1);
    CHECK(std::count(names.begin(), names.end(), "stage2.blocks.3.mlp.fc2.bias") == 0);
    CHECK(shapes["stage0.patch_embed.proj.weight"] == Shape{8, 3, 7, 7});
    CHECK(shapes["stage1.patch_embed.proj.weight"] == Shape{16, 8, 3, 3});
    CHECK(shapes["stage1.blocks.1.attn.conv_proj_v.conv.weight"] == Shape{16, 1, 3, 3});
    CHECK(shapes["stage2.cls_token"] == Shape{1, 1, 24});
    CHECK(shapes["stage2.blocks.0.mlp.fc1.weight"] == Shape{96, 24});
    CHECK(shapes["head.weight"] == Shape{10, 24});
}

TEST_CASE("named models run on their pictures, and on others") {
    CHECK(forward("cvt_28", {2, 28, 28, 1}).shape() == Shape{2, 10});
    CHECK(forward("cvt_28", {2, 32, 32, 3}).shape() == Shape{2, 10});
    CHECK(forward("cvt_tiny", {1, 64, 64, 3}).shape() == Shape{1, 10});
    CHECK(forward("cvt_tiny", {3, 37, 50, 1}).shape() == Shape{3, 10});
    CHECK(finite(forward("cvt_28", {2, 28, 28, 1}).to_vector()));
    CHECK(forward("cvt_64", {1, 64, 64, 3}).shape() == Shape{1, 200});
    for (const std::string& name : model_names())
        CHECK(cvt_preset(name).has_value() == (name.rfind("cvt", 0) == 0));
    CHECK_FALSE(cvt_preset("cvt_82").has_value());
    try {
        make_model("cvt_82", {});
        FAIL("there is no cvt_82");
    } catch (const Error& e) {
        CHECK(e.code() == "C20");
        CHECK(e.attempt().find("cvt_28") != std::string::npos);
    }
}

TEST_CASE("a picture's answer does not depend on the rest of the batch") {
    const auto model = make_model("cvt_tiny", {});
    test::shake(*model, 3);
    const Tensor images = test::pictures({5, 32, 32, 3}, DType::F32, Device::cpu());
    const std::vector<double> together = model->forward(images, Pass{}).to_vector();
    for (std::int64_t i = 0; i < 5; ++i) {
        const std::vector<double> alone =
            model->forward(images.slice(0, i, i + 1).contiguous(), Pass{}).to_vector();
        for (std::size_t c = 0; c < 10; ++c)
            CHECK(alone[c] == Approx(together[static_cast<std::size_t>(i) * 10 + c]).margin(1e-5));
    }
}

TEST_CASE("every parameter of every small model gets a finite gradient") {
    for (const char* name : {"cvt_tiny", "cvt_28"})
        for (const bool dropping : {false, true}) {
            CAPTURE(name, dropping);
            ModelOptions options;
            options.in_channels = 1;
            options.dropout = dropping ? 0.1 : 0.0;
            options.drop_path = dropping ? 0.1 : -1.0;
            const auto model = make_model(name, options);
            model->initialise(2);
            {
                Tape tape;
                tape.backward(
                    test::loss_of(*model, test::pictures({4, 28, 28, 1}, DType::F32, Device::cpu()),
                                  test::labels(4, 10, Device::cpu()), {true, 1, 1}));
            }
            for (const NamedParameter& p : parameters_of(*model)) {
                CAPTURE(p.name);
                REQUIRE(p.parameter->value.grad().defined());
                const std::vector<double> gradient = p.parameter->value.grad().to_vector();
                CHECK(finite(gradient));
                // By symmetry a key's bias, and what BatchNorm adds to keys, change nothing.
                if (p.name.find("proj_k.bias") == std::string::npos &&
                    p.name.find("conv_proj_k.bn.bias") == std::string::npos &&
                    p.name.find("attn.conv_proj_q") == std::string::npos)
                    CHECK(std::any_of(gradient.begin(), gradient.end(),
                                      [](double g) { return g != 0.0; }));
            }
        }
}

TEST_CASE("a CvT needs a class token or a mean head, and packed qkv needs plain projections") {
    CvtConfig config = *cvt_preset("cvt_tiny");
    config.stages.back().class_token = false;
    CHECK_THROWS_AS(Cvt(config), Error);
    config.mean_head = true;
    CHECK_NOTHROW(Cvt(config));
    config.packed_qkv = true;
    CHECK_THROWS_AS(Cvt(config), Error);
    config.stages.clear();
    CHECK_THROWS_AS(Cvt(config), Error);
    config = *cvt_preset("cvt_tiny");
    config.stages[1].num_heads = 3;  // of 16 channels
    CHECK_THROWS_AS(Cvt(config), Error);
    config = *cvt_preset("cvt_tiny");
    config.stages[1].stride = 0;
    CHECK_THROWS_AS(Cvt(config), Error);
}

TEST_CASE("drop-path rises inside the last stage only") {
    ModelOptions options;
    options.drop_path = 0.3;
    const auto model = make_model("cvt_tiny", options);
    struct Rates : Visitor {
        std::map<std::string, double> found;
        void enter_module(const std::string& name, Module& m) override {
            if (const auto* path = dynamic_cast<DropPath*>(&m)) found[name] = path->rate;
        }
    } rates;
    model->visit(rates);
    REQUIRE(rates.found.size() == 12);
    CHECK(rates.found["stage1.blocks.1.drop_path1"] == 0.0);
    CHECK(rates.found["stage2.blocks.0.drop_path1"] == 0.0);
    CHECK(rates.found["stage2.blocks.1.drop_path1"] == 0.15);
    CHECK(rates.found["stage2.blocks.2.drop_path2"] == 0.3);

    // A lone block is the last one.
    rates.found.clear();
    make_model("cvt_28", options)->visit(rates);
    CHECK(rates.found == std::map<std::string, double>{{"stage1.blocks.0.drop_path1", 0.0},
                                                       {"stage1.blocks.0.drop_path2", 0.0},
                                                       {"stage1.blocks.1.drop_path1", 0.0},
                                                       {"stage1.blocks.1.drop_path2", 0.0},
                                                       {"stage2.blocks.0.drop_path1", 0.3},
                                                       {"stage2.blocks.0.drop_path2", 0.3}});
}
