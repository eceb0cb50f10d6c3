// ViT: the published numbers, names, images of another size, and what is refused.
#include "models/vit.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <map>

#include "core/error.h"
#include "layers/position_embedding.h"
#include "models/weights.h"
#include "tests/models/block_count.h"
#include "tests/models/sample.h"

using namespace fovea;

namespace {

std::int64_t count(const char* name, std::int64_t classes = 1000) {
    VitConfig config = *vit_preset(name);
    config.num_classes = classes;
    return test::count_by_blocks<Vit>(config, "blocks.0.");
}

VitConfig tiny() { return *vit_preset("vit_test"); }

std::string code_of(const VitConfig& config) {
    try {
        Vit model(config);
    } catch (const Error& e) {
        return e.code();
    }
    return "none";
}

}  // namespace

TEST_CASE("ViT: parameter counts are the published ones") {
    CHECK(count("vit_tiny_patch16_224") == 5'717'416);
    CHECK(count("vit_tiny_patch16_224", 200) == 5'563'016);
    CHECK(count("vit_tiny_patch16_224", 10) == 5'526'346);
    CHECK(count("vit_small_patch16_224") == 22'050'664);
    CHECK(count("vit_small_patch16_224", 200) == 21'742'664);
    CHECK(count("vit_small_patch16_224", 10) == 21'669'514);
    CHECK(count("vit_small_patch32_224") == 22'878'952);
    CHECK(count("vit_base_patch16_224") == 86'567'656);
    CHECK(count("vit_base_patch16_224", 200) == 85'952'456);
    CHECK(count("vit_base_patch16_224", 10) == 85'806'346);
    CHECK(count("vit_base_patch16_384") == 86'859'496);
    CHECK(count("vit_base_patch32_224") == 88'224'232);
    CHECK(count("vit_large_patch16_224") == 304'326'632);
    CHECK(count("vit_b_16") == 86'567'656);
    CHECK(count("vit_b_32") == 88'224'232);
    CHECK(count("vit_l_16") == 304'326'632);
    CHECK(count("deit_tiny_patch16_224") == 5'717'416);
    CHECK(count("deit_small_patch16_224") == 22'050'664);
    CHECK(count("deit_base_patch16_224") == 86'567'656);
    CHECK(count("deit_base_patch16_384") == 86'859'496);
    CHECK(count("vit_64", 200) == 2'756'744);  // Lee et al. 2021 report 2.76 M

    const auto whole = make_model("vit_tiny_patch16_224", {});
    CHECK(parameter_count(*whole) == 5'717'416);
    CHECK(state_of(*whole).size() == 152);
}

TEST_CASE("ViT: multiply-adds are the published ones") {
    const auto macs = [](const char* name) {
        VitConfig config = *vit_preset(name);
        return static_cast<double>(vit_trunk_macs(config, false) +
                                   config.embed_dim * config.num_classes);
    };
    CHECK(macs("vit_tiny_patch16_224") == Approx(1.254e9).epsilon(1e-3));
    CHECK(macs("vit_small_patch16_224") == Approx(4.599e9).epsilon(1e-3));
    CHECK(macs("vit_base_patch16_224") == Approx(17.564e9).epsilon(1e-3));
    CHECK(static_cast<double>(make_model("vit_tiny_patch16_224", {})->macs()) ==
          macs("vit_tiny_patch16_224"));
    VitConfig config = tiny();
    config.representation_size = 8;  // 24 * 8 and 8 * 10 in place of 24 * 10
    const std::int64_t linear = 24 * 8 + 8 * 10 - 24 * 10;
    CHECK(Vit(config).macs() == Vit(tiny()).macs() + linear);
}

TEST_CASE("ViT: parameters come in the order of timm's state_dict") {
    const auto model = make_model("vit_test", {});
    std::vector<std::string> names;
    std::map<std::string, Shape> shapes;
    for (const NamedParameter& p : parameters_of(*model)) {
        names.push_back(p.name);
        shapes[p.name] = checkpoint_shape(*p.parameter);
    }
    const std::vector<std::string> begin = {"cls_token",
                                            "pos_embed",
                                            "patch_embed.proj.weight",
                                            "patch_embed.proj.bias",
                                            "blocks.0.norm1.weight",
                                            "blocks.0.norm1.bias",
                                            "blocks.0.attn.qkv.weight",
                                            "blocks.0.attn.qkv.bias",
                                            "blocks.0.attn.proj.weight",
                                            "blocks.0.attn.proj.bias",
                                            "blocks.0.norm2.weight",
                                            "blocks.0.norm2.bias",
                                            "blocks.0.mlp.fc1.weight",
                                            "blocks.0.mlp.fc1.bias",
                                            "blocks.0.mlp.fc2.weight",
                                            "blocks.0.mlp.fc2.bias",
                                            "blocks.1.norm1.weight"};
    REQUIRE(names.size() == 4 + 3 * 12 + 4);
    CHECK(std::equal(begin.begin(), begin.end(), names.begin()));
    CHECK(names[names.size() - 4] == "norm.weight");
    CHECK(names.back() == "head.bias");
    CHECK(shapes["pos_embed"] == Shape{1, 37, 24});
    CHECK(shapes["patch_embed.proj.weight"] == Shape{24, 3, 4, 4});
    CHECK(shapes["blocks.2.attn.qkv.weight"] == Shape{72, 24});
    CHECK(shapes["head.weight"] == Shape{10, 24});

    VitConfig config = tiny();
    config.qkv_bias = false;
    config.representation_size = 8;
    config.token_positions = false;
    Vit other(config);
    names.clear();
    for (const NamedParameter& p : parameters_of(other)) {
        names.push_back(p.name);
        shapes[p.name] = checkpoint_shape(*p.parameter);
    }
    CHECK(names.size() == 4 + 3 * 11 + 6);
    CHECK(std::count(names.begin(), names.end(), "blocks.0.attn.qkv.bias") == 0);
    CHECK(shapes["pre_logits.fc.weight"] == Shape{8, 24});
    CHECK(shapes["head.weight"] == Shape{10, 8});
    CHECK(shapes["pos_embed"] == Shape{1, 36, 24});
}

TEST_CASE("ViT: torchvision's names are known, older ones too") {
    const auto model = make_model("vit_test", {});
    const std::pair<const char*, const char*> pairs[] = {
        {"class_token", "cls_token"},
        {"conv_proj.weight", "patch_embed.proj.weight"},
        {"encoder.pos_embedding", "pos_embed"},
        {"encoder.layers.encoder_layer_11.ln_1.weight", "blocks.11.norm1.weight"},
        {"encoder.layers.encoder_layer_0.self_attention.in_proj_weight",
         "blocks.0.attn.qkv.weight"},
        {"encoder.layers.encoder_layer_0.self_attention.in_proj_bias", "blocks.0.attn.qkv.bias"},
        {"encoder.layers.encoder_layer_2.self_attention.out_proj.bias", "blocks.2.attn.proj.bias"},
        {"encoder.layers.encoder_layer_2.mlp.0.weight", "blocks.2.mlp.fc1.weight"},
        {"encoder.layers.encoder_layer_2.mlp.linear_1.weight", "blocks.2.mlp.fc1.weight"},
        {"encoder.layers.encoder_layer_2.mlp.3.bias", "blocks.2.mlp.fc2.bias"},
        {"encoder.layers.encoder_layer_2.mlp.linear_2.bias", "blocks.2.mlp.fc2.bias"},
        {"encoder.layers.encoder_layer_2.ln_2.bias", "blocks.2.norm2.bias"},
        {"encoder.ln.weight", "norm.weight"},
        {"heads.head.weight", "head.weight"},
        {"heads.pre_logits.bias", "pre_logits.fc.bias"}};
    for (const auto& [theirs, ours] : pairs) {
        CHECK(test::spelled(*model, "torchvision", ours) == modern_name(theirs));
    }
}

TEST_CASE("ViT: drop-path rises linearly over the depth") {
    ModelOptions options;
    options.drop_path = 0.3;
    const auto model = make_model("vit_test", options);
    struct Rates : Visitor {
        std::map<std::string, double> found;
        void enter_module(const std::string& name, Module& m) override {
            if (const auto* path = dynamic_cast<DropPath*>(&m)) found[name] = path->rate;
        }
    } rates;
    model->visit(rates);
    CHECK(rates.found == std::map<std::string, double>{{"blocks.0.drop_path1", 0.0},
                                                       {"blocks.0.drop_path2", 0.0},
                                                       {"blocks.1.drop_path1", 0.15},
                                                       {"blocks.1.drop_path2", 0.15},
                                                       {"blocks.2.drop_path1", 0.3},
                                                       {"blocks.2.drop_path2", 0.3}});
    CHECK(rising_rate(0.3, 0, 1) == 0.0);
}

TEST_CASE("ViT: images of another size, in passing and from a file") {
    const auto model = make_model("vit_test", {});  // 24x24, patches of 4
    test::shake(*model, 3);
    const Tensor images = test::pictures({2, 36, 28, 3}, DType::F32, Device::cpu());
    const Tensor in_passing = model->forward(images, {});
    CHECK(in_passing.shape() == Shape{2, 10});

    const std::string path = "/tmp/fovea_vit_" + std::to_string(getpid()) + ".safetensors";
    save_weights(*model, path);
    ModelOptions options;
    options.height = 36;
    options.width = 28;
    const auto larger = make_model("vit_test", options);
    load_weights(*larger, path);
    CHECK(larger->forward(images, {}).to_vector() == in_passing.to_vector());

    for (const NamedParameter& p : parameters_of(*larger)) {
        if (p.name != "pos_embed") continue;
        CHECK(p.parameter->value.shape() == Shape{1, 1 + 9 * 7, 24});
        const Tensor original = parameters_of(*model)[1].parameter->value;
        CHECK(p.parameter->value.to_vector() ==
              resample_position_embedding(original, {6, 6}, {9, 7}, 1).to_vector());
    }

    // 9x7 patches are no square, so their grid is not known.
    save_weights(*larger, path);
    try {
        load_weights(*model, path);
        FAIL("another grid was taken");
    } catch (const Error& e) {
        CHECK(e.code() == "K03");
        CHECK(e.message().find("pos_embed") != std::string::npos);
    }
    unlink(path.c_str());
}

TEST_CASE("ViT: positions learn from images of another size") {
    const auto model = make_model("vit_test", {});  // 6x6 patches; the images have 3x8
    test::shake(*model, 3);
    move_to(*model, Device::reference(), DType::F64);
    const Tensor images = test::pictures({2, 12, 32, 3}, DType::F64, Device::reference());
    const Tensor labels = test::labels(2, 10, Device::reference());
    {
        Tape tape;
        tape.backward(test::loss_of(*model, images, labels, {}));
    }
    const Tensor positions = parameters_of(*model)[1].parameter->value;
    const std::vector<double> gradient = positions.grad().to_vector();
    for (const std::size_t at : {0u, 24u, 24u * 9 + 5, 24u * 20 + 7, 24u * 36 + 23}) {
        CAPTURE(at);
        const auto loss_moved_by = [&](double step) {
            std::vector<double> values = positions.to_vector();
            values[at] += step;
            const Tensor before = positions.clone();
            positions.copy_from(
                Tensor::from(values, positions.shape(), DType::F64, Device::reference()));
            const double loss = test::loss_of(*model, images, labels, {}).item();
            positions.copy_from(before);
            return loss;
        };
        const double slope = (loss_moved_by(1e-5) - loss_moved_by(-1e-5)) / 2e-5;
        CHECK(slope == Approx(gradient[at]).epsilon(1e-6).margin(1e-9));
        CHECK(std::abs(slope) > 1e-5);
    }
}

TEST_CASE("ViT: rectangular patches and images") {
    VitConfig config = tiny();
    config.image_size = {12, 20};
    config.patch_size = {3, 5};
    Vit model(config);
    test::shake(model, 1);
    CHECK(model.input_shape() == Shape{12, 20, 3});
    CHECK(model.forward(test::pictures({2, 12, 20, 3}, DType::F32, Device::cpu()), {}).shape() ==
          Shape{2, 10});
    const std::int64_t width = 24, hidden = 48, tokens = 17;
    const std::int64_t patches = width * 16 * 15 * 3;
    const std::int64_t block =
        tokens * (4 * width * width + 2 * width * hidden) + 2 * tokens * tokens * width;
    CHECK(vit_trunk_macs(config, false) == patches + 3 * block);
}

TEST_CASE("ViT: a picture's answer does not depend on the rest of the batch") {
    const auto model = make_model("vit_test", {});
    test::shake(*model, 3);
    const Tensor images = test::pictures({5, 24, 24, 3}, DType::F32, Device::cpu());
    const std::vector<double> together = model->forward(images, {}).to_vector();
    for (std::int64_t i = 0; i < 5; ++i) {
        const std::vector<double> alone =
            model->forward(images.slice(0, i, i + 1).contiguous(), {}).to_vector();
        for (std::size_t c = 0; c < 10; ++c)
            CHECK(alone[c] == Approx(together[static_cast<std::size_t>(i) * 10 + c]).margin(1e-5));
    }
}

TEST_CASE("ViT: what contradicts itself is refused") {
    VitConfig config = tiny();
    CHECK(code_of(config) == "none");
    config.image_size = {24, 26};
    CHECK(code_of(config) == "C04");
    config = tiny();
    config.num_heads = 5;
    CHECK(code_of(config) == "C04");
    config = tiny();
    config.depth = 0;
    CHECK(code_of(config) == "C04");
    ModelOptions options;
    options.height = options.width = 28;
    try {
        make_model("vit_tiny_patch16_224", options);
        FAIL("28 is no multiple of 16");
    } catch (const Error& e) {
        CHECK(e.code() == "C04");
        CHECK(e.message() == "an image of 28x28 does not divide into patches of 16x16");
    }
    const auto model = make_model("vit_test", {});
    CHECK_THROWS_AS(model->forward(test::pictures({1, 24, 25, 3}, DType::F32, Device::cpu()), {}),
                    Error);
}
