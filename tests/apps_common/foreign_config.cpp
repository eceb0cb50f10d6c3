// config.json for timm and Hugging Face. The values are those of timm 1.0.31's own files.
#include "apps/common/foreign_config.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "apps/common/experiment.h"
#include "core/error.h"

using namespace fovea;
using namespace fovea::apps;
using Json = nlohmann::json;

namespace {

/// For grey pictures of side x side and four classes.
Json config_of(const std::string& model, std::int64_t side, const std::string& style) {
    Config config;
    config.set("model.name", model, "");
    config.set("model.num_classes", std::int64_t{4}, "");
    config.set("data.image_size", side, "");
    config.set("data.in_channels", std::int64_t{1}, "");
    return Json::parse(foreign_config(*new_model(config), config, {"a", "b", "c", "d"}, style));
}

std::string refusal(const std::string& model, std::int64_t side, const std::string& style) {
    try {
        config_of(model, side, style);
    } catch (const Error& error) {
        return error.code() + " " + error.what();
    }
    return "";
}

}  // namespace

TEST_CASE("timm's config.json, for exports and in run folders", "[apps_common]") {
    const std::string vit = "vit_base_patch16_224", conv = "patch_embed.proj";
    struct Row {
        std::string model;
        std::int64_t side;
        std::string architecture, pool;
        std::int64_t features;
        Json classifier;
        std::string first_conv;
        Json pool_size;
        bool fixed;
    };
    const Row rows[] = {
        {"vit_28", 28, vit, "token", 96, "head", conv, nullptr, true},
        {"vit_p8_s", 64, vit, "token", 256, "head", conv, nullptr, true},
        {"vit_64", 64, "vit_base_patch16_clip_224", "token", 192, "head", conv, nullptr, true},
        {"deit_test", 28, "deit_base_distilled_patch16_224", "token", 24,
         Json::array({"head", "head_dist"}), conv, nullptr, true},
        {"swin_28", 28, "swin_tiny_patch4_window7_224", "avg", 64, "head.fc", conv,
         Json::array({7, 7}), true},
        {"resnet18", 48, "resnet18", "avg", 512, "fc", "conv1", Json::array({2, 2}), false},
    };
    for (const Row& row : rows) {
        CAPTURE(row.model);
        const Json config = config_of(row.model, row.side, "timm");
        CHECK(config == config_of(row.model, row.side, "safetensors"));
        CHECK(config.at("architecture") == row.architecture);
        CHECK(config.at("num_classes") == 4);
        CHECK(config.at("num_features") == row.features);
        CHECK(config.at("global_pool") == row.pool);
        CHECK(config.at("model_args").at("in_chans") == 1);
        CHECK(config.at("model_args").contains("img_size") == row.fixed);
        const Json& pretrained = config.at("pretrained_cfg");
        CHECK(pretrained.at("description") == row.model + " of Fovea");
        CHECK(pretrained.at("input_size") == Json::array({1, row.side, row.side}));
        CHECK(pretrained.at("classifier") == row.classifier);
        CHECK(pretrained.at("first_conv") == row.first_conv);
        CHECK(pretrained.at("pool_size") == row.pool_size);
        CHECK(pretrained.at("fixed_input_size") == row.fixed);
        CHECK_FALSE(pretrained.contains("notes"));
    }
    // An epsilon of 1e-5 is the architecture's; timm's "layernorm" would have 1e-6.
    const Json args = config_of("vit_64", 64, "timm").at("model_args");
    CHECK(args.at("pre_norm") == false);
    CHECK_FALSE(args.contains("norm_layer"));
}

TEST_CASE("a Swin that timm computes otherwise says so", "[apps_common]") {
    const Json notes = config_of("swin_test", 36, "safetensors").at("pretrained_cfg").at("notes");
    REQUIRE(notes.size() == 1);
    CHECK_THAT(notes[0].get<std::string>(), Catch::Contains("--swin-padding timm"));
}

TEST_CASE("a description that timm cannot read promises nothing", "[apps_common]") {
    for (const auto& [model, style] : {std::pair("cvt_tiny", "safetensors"),
                                       {"resnet_tiny", "safetensors"},
                                       {"student_vit_test", "study"},
                                       {"vit_28", "torchvision"}}) {
        CAPTURE(model, style);
        const Json config = config_of(model, 28, style), &cfg = config.at("pretrained_cfg");
        CHECK(config.at("architecture") == model);
        CHECK(config.at("label_names").size() == 4);
        CHECK(cfg.at("description") ==
              std::string(model) + " of Fovea, in a form that timm does not read");
        for (const char* key : {"global_pool", "num_features"}) CHECK_FALSE(config.contains(key));
        for (const char* key : {"classifier", "first_conv"}) CHECK_FALSE(cfg.contains(key));
    }
    CHECK_THAT(refusal("resnet_tiny", 28, "timm"), Catch::StartsWith("C04 timm cannot build"));
}

TEST_CASE("no Swin for Hugging Face with maps smaller than its windows", "[apps_common]") {
    CHECK(config_of("swin_28", 28, "hf").at("window_size") == 7);  // the second map is a window
    CHECK(refusal("swin_64", 64, "hf").empty());
    CHECK_THAT(refusal("swin_64", 48, "hf"), Catch::StartsWith("C04 ") &&
                                                 Catch::Contains("windows of 4x4") &&
                                                 Catch::Contains("one of 3x3"));
    CHECK(refusal("swin_64", 48, "timm").empty());
}
