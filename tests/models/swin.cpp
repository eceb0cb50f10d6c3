// Swin: the published numbers, names, the three references' rules, and weights of other windows.
#include "models/swin.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>
#include <map>
#include <set>

#include "core/allocator.h"
#include "core/error.h"
#include "core/ops/matmul.h"
#include "core/ops/norm.h"
#include "core/ops/reduce.h"
#include "models/weights.h"
#include "tests/models/sample.h"

using namespace fovea;
using test::spelled;

namespace {

/// Parameters of a configuration, from a model with at most two blocks a stage.
std::int64_t count_by_blocks(SwinConfig config) {
    const std::vector<std::int64_t> depths = config.depths;
    for (std::int64_t& depth : config.depths) depth = 1;
    Swin shallow(config);
    std::int64_t total = 0;
    for (const NamedParameter& p : parameters_of(shallow)) {
        const bool in_block = p.name.find(".blocks.0.") != std::string::npos;
        const std::int64_t times = in_block ? depths[static_cast<std::size_t>(p.name[7] - '0')] : 1;
        total += times * p.parameter->value.numel();
    }
    return total;
}

/// What Microsoft's count of operations adds to the multiply-adds: one for each normalised number (and of
/// the last norm four times as many, as its tokens are divided by 2 instead of 4 a stage).
std::int64_t normalised(const SwinConfig& config) {
    std::int64_t total = 0, width = config.embed_dim;
    const std::vector<SwinStageGrid> grids = swin_grids(config);
    for (std::size_t i = 0; i < grids.size(); ++i, width *= 2) {
        if (i == 0) total += grids[i].map.area() * width;
        if (i > 0) total += grids[i - 1].map.area() * width / 2;
        total += 2 * config.depths[i] * grids[i].map.area() * width;
        if (i + 1 == grids.size()) total += width * grids[0].map.area() / (1 << grids.size());
    }
    return total;
}

std::unique_ptr<Swin> tiny(SwinConfig config = *swin_preset("swin_test"), std::uint64_t seed = 3) {
    auto model = std::make_unique<Swin>(config);
    test::shake(*model, seed);
    return model;
}

SwinConfig with_rule(SwinRule rule, GridSize image) {
    SwinConfig config = *swin_preset("swin_test");
    config.rule = rule;
    config.image_size = image;
    return config;
}

std::vector<double> logits(const Classifier& model, const Shape& images) {
    return model.forward(test::pictures(images, DType::F32, Device::cpu()), {}).to_vector();
}

struct TempFile {
    std::string path = (std::filesystem::temp_directory_path() /
                        ("fovea_swin_" + std::to_string(getpid()) + ".safetensors"))
                           .string();
    ~TempFile() { std::filesystem::remove(path); }
};

/// Writes the model's state under other names, and tensors that other implementations store beside it.
template <class Rename>
void save_as(Module& model, const std::string& path, const Rename& rename,
             const std::vector<std::string>& computed = {}) {
    std::vector<StateTensor> state = state_of(model);
    for (StateTensor& t : state) t.name = rename(t.name);
    for (const std::string& name : computed)
        state.push_back({name, Tensor::zeros({16, 16}, DType::I64)});
    std::vector<NamedTensor> tensors;
    for (const StateTensor& t : state) tensors.push_back(t.named());
    write_safetensors(path, tensors);
}

std::string code_of(const SwinConfig& config) {
    try {
        Swin{config};
    } catch (const Error& e) {
        return e.code();
    }
    return "";
}

}  // namespace

TEST_CASE("Swin's parameters are as many as published") {
    struct Published {
        const char *name, *alias;
        std::int64_t thousand, ten;
    };
    for (const auto& [name, alias, thousand, ten] :
         {Published{"swin_tiny_patch4_window7_224", "swin_t", 28'288'354, 27'527'044},
          {"swin_small_patch4_window7_224", "swin_s", 49'606'258, 48'844'948},
          {"swin_base_patch4_window7_224", "swin_b", 87'768'224, 86'753'474},
          {"swin_large_patch4_window7_224", "swin_l", 196'532'476, 195'010'846}}) {
        CAPTURE(name);
        SwinConfig config = *swin_preset(name);
        CHECK(count_by_blocks(config) == thousand);
        CHECK(count_by_blocks(*swin_preset(alias)) == thousand);
        config.num_classes = 10;
        CHECK(count_by_blocks(config) == ten);
    }
    const std::map<std::string, std::map<std::int64_t, std::int64_t>> others = {
        {"swin_t",
         {{200, 27'673'154},
          {196, 27'670'078},
          {100, 27'596'254},
          {28, 27'540'886},
          {11, 27'527'813}}},
        {"swin_s", {{200, 48'991'058}, {196, 48'987'982}, {11, 48'845'717}}},
        {"swin_b", {{200, 86'948'224}, {196, 86'944'124}, {11, 86'754'499}}},
        {"swin_l", {{200, 195'302'876}, {196, 195'296'728}, {11, 195'012'383}}}};
    for (const auto& [name, counts] : others)
        for (const auto& [classes, count] : counts) {
            CAPTURE(name, classes);
            ModelOptions options;
            options.num_classes = classes;
            CHECK(parameter_count(*make_model(name, options)) == count);
            allocator::release_cached(Device::cpu());
        }
    // With the index tables that torchvision keeps: 185 tensors, 28,812 indices; 353 and 57,624.
    CHECK(parameters_of(*make_model("swin_s", {})).size() == 353 - 57'624 / (49 * 49));
    CHECK(count_by_blocks(*swin_preset("swin_64")) == 7'125'218);
    const auto model = make_model("swin_t", {});
    CHECK(parameter_count(*model) == 28'288'354);
    CHECK(parameters_of(*model).size() == 185 - 28'812 / (49 * 49));
    CHECK(buffers_of(*model).empty());
}

TEST_CASE("Swin's multiply-adds are Microsoft's count without the norms") {
    struct Published {
        const char* name;
        double gflops;
    };
    for (const auto& [name, gflops] :
         {Published{"swin_t", 4.494}, {"swin_s", 8.747}, {"swin_b", 15.438}, {"swin_l", 34.487}}) {
        CAPTURE(name);
        const SwinConfig config = *swin_preset(name);
        const std::int64_t flops = swin_macs(config) + normalised(config);
        CHECK(std::abs(static_cast<double>(flops) / 1e9 - gflops) < 5e-4);
    }
    CHECK(make_model("swin_t", {})->macs() == 4'490'566'656);
    CHECK(swin_macs(*swin_preset("swin_28")) == 8'693'632);
}

TEST_CASE("parameters come in the order of timm's state_dict, with its names and shapes") {
    const auto model = tiny();
    std::vector<std::string> names;
    std::map<std::string, Shape> shapes;
    for (const NamedParameter& p : parameters_of(*model)) {
        names.push_back(p.name);
        shapes[p.name] = checkpoint_shape(*p.parameter);
        CHECK(p.parameter->no_decay == p.name.ends_with("relative_position_bias_table"));
    }
    const std::vector<std::string> begin = {"patch_embed.proj.weight",
                                            "patch_embed.proj.bias",
                                            "patch_embed.norm.weight",
                                            "patch_embed.norm.bias",
                                            "layers.0.blocks.0.norm1.weight",
                                            "layers.0.blocks.0.norm1.bias",
                                            "layers.0.blocks.0.attn.relative_position_bias_table",
                                            "layers.0.blocks.0.attn.qkv.weight"};
    REQUIRE(names.size() == 63);
    CHECK(std::equal(begin.begin(), begin.end(), names.begin()));
    CHECK(names[30] == "layers.1.downsample.norm.weight");
    CHECK(names.back() == "head.fc.bias");
    CHECK(shapes["patch_embed.proj.weight"] == Shape{16, 3, 4, 4});
    CHECK(shapes["layers.0.blocks.1.attn.relative_position_bias_table"] == Shape{49, 2});
    CHECK(shapes["layers.1.downsample.reduction.weight"] == Shape{32, 64});
    CHECK(shapes["layers.1.blocks.0.mlp.fc1.weight"] == Shape{128, 32});
}

TEST_CASE("every Swin tensor has a name of its own at torchvision and at Microsoft") {
    const auto model = make_model("swin_28", {});
    std::set<std::string> torchvision, microsoft;
    for (const StateTensor& t : state_of(*model)) {
        torchvision.insert(spelled(*model, "torchvision", t.name));
        microsoft.insert(spelled(*model, "microsoft", t.name));
    }
    CHECK(torchvision.size() == state_of(*model).size());
    CHECK(microsoft.size() == state_of(*model).size());
    for (const auto& [own, theirs] :
         {std::pair{"patch_embed.proj.weight", "features.0.0.weight"},
          {"patch_embed.norm.bias", "features.0.2.bias"},
          {"layers.0.blocks.1.mlp.fc1.bias", "features.1.1.mlp.0.bias"},
          {"layers.2.blocks.17.mlp.fc2.weight", "features.5.17.mlp.3.weight"},
          {"layers.3.downsample.norm.weight", "features.6.norm.weight"},
          {"layers.1.blocks.0.attn.relative_position_bias_table",
           "features.3.0.attn.relative_position_bias_table"},
          {"norm.weight", "norm.weight"},
          {"head.fc.weight", "head.weight"}})
        CHECK(spelled(*model, "torchvision", own) == theirs);
    CHECK(spelled(*model, "microsoft", "layers.2.downsample.reduction.weight") ==
          "layers.1.downsample.reduction.weight");
}

TEST_CASE("Swin weights load from torchvision's and Microsoft's files") {
    const TempFile file;
    const auto model = tiny();
    const std::vector<double> expected = logits(*model, {2, 32, 32, 3});
    const auto loads = [&] {
        const auto other = tiny(*swin_preset("swin_test"), 4);
        load_weights(*other, file.path);
        return logits(*other, {2, 32, 32, 3}) == expected;
    };
    save_weights(*model, file.path);
    CHECK(loads());
    const auto in_style = [&](const char* style) {
        return [&, style](const std::string& own) { return spelled(*model, style, own); };
    };
    save_as(*model, file.path, in_style("torchvision"),
            {"features.1.0.attn.relative_position_index"});
    CHECK(loads());
    save_as(*model, file.path, in_style("microsoft"),
            {"layers.0.blocks.0.attn.relative_position_index", "layers.0.blocks.1.attn_mask"});
    CHECK(loads());
}

TEST_CASE("Swin weights load into other windows, as timm resizes their tables") {
    const TempFile file;
    const auto model = tiny();
    save_weights(*model, file.path);
    SwinConfig config = *swin_preset("swin_test");
    config.window = {5, 3};
    const auto other = tiny(config, 4);
    load_weights(*other, file.path);
    std::map<std::string, Tensor> own, resized;
    for (const NamedParameter& p : parameters_of(*model)) own[p.name] = p.parameter->value;
    for (const NamedParameter& p : parameters_of(*other)) resized[p.name] = p.parameter->value;
    for (const auto& [name, value] : resized) {
        CAPTURE(name);
        const bool table = name.ends_with("bias_table");
        const Tensor expected =
            table ? resize_bias_table(own.at(name), {4, 4}, {5, 3}) : own.at(name);
        CHECK(value.to_vector() == expected.to_vector());
    }
    // A table of no square window is refused.
    save_weights(*other, file.path);
    try {
        load_weights(*model, file.path);
        FAIL("45 rows are no square window's");
    } catch (const Error& e) {
        CHECK(e.code() == "K03");
    }
}

TEST_CASE("the references' rules for maps and windows") {
    const auto grids = [](SwinRule rule, GridSize image) {
        return swin_grids(with_rule(rule, image));
    };
    const auto is = [](const SwinStageGrid& grid, GridSize map, GridSize window, GridSize shift) {
        return grid.map == map && grid.window == window && grid.shift == shift;
    };
    // Maps of 13x6, then 7x3 tokens; windows of 4x4.
    const GridSize odd{52, 24};
    CHECK(is(grids(SwinRule::Torchvision, odd)[0], {13, 6}, {4, 4}, {2, 2}));
    CHECK(is(grids(SwinRule::Torchvision, odd)[1], {7, 3}, {4, 4}, {2, 2}));
    CHECK(is(grids(SwinRule::Timm, odd)[1], {7, 3}, {4, 3}, {2, 0}));
    CHECK(is(grids(SwinRule::Timm, {36, 36})[1], {5, 5}, {4, 4}, {0, 0}));
    // 5x8 tokens, which timm takes for 4x8: windows shift along the columns alone.
    CHECK(is(grids(SwinRule::Timm, {36, 64})[1], {5, 8}, {4, 4}, {0, 2}));
    // 8x16, then 4x8 tokens.
    const GridSize wide{32, 64};
    CHECK(is(grids(SwinRule::Microsoft, wide)[0], {8, 16}, {4, 4}, {2, 2}));
    CHECK(is(grids(SwinRule::Microsoft, wide)[1], {4, 8}, {4, 4}, {0, 0}));
    CHECK(is(grids(SwinRule::Microsoft, {16, 16})[1], {2, 2}, {2, 2}, {0, 0}));

    // Where everything fits they are one model.
    const Shape fits = {2, 32, 32, 3}, pads = {2, 52, 24, 3};
    const auto of = [&](SwinRule rule, const Shape& images) {
        return logits(*tiny(with_rule(rule, {images[1], images[2]})), images);
    };
    const std::vector<double> torchvision = of(SwinRule::Torchvision, fits);
    CHECK(of(SwinRule::Timm, fits) == torchvision);
    CHECK(of(SwinRule::Microsoft, fits) == torchvision);
    CHECK(of(SwinRule::Timm, pads) != of(SwinRule::Torchvision, pads));
    CHECK(code_of(with_rule(SwinRule::Microsoft, odd)) == "C04");
    CHECK(code_of(with_rule(SwinRule::Microsoft, {36, 36})) == "C04");
    // timm's smaller window has a smaller table.
    CHECK(parameter_count(*tiny(with_rule(SwinRule::Timm, odd))) == 35'942 - 2 * 4 * 14);
}

TEST_CASE("a Swin takes pictures of any size") {
    const auto model = tiny();
    for (const Shape& images : {Shape{1, 32, 32, 3}, {2, 37, 50, 3}, {1, 4, 4, 3}, {1, 9, 70, 3}}) {
        const std::vector<double> y = logits(*model, images);
        CHECK(y.size() == static_cast<std::size_t>(images[0] * 10));
        for (const double v : y) CHECK(std::isfinite(v));
    }
    CHECK(logits(*model, {0, 32, 32, 3}).empty());
}

TEST_CASE("features are the maps of all stages, and the last leads to the logits") {
    const auto model = make_model("swin_64", {});
    test::shake(*model, 1);
    const auto& swin = dynamic_cast<const Swin&>(*model);
    const Tensor images = test::pictures({2, 64, 60, 3}, DType::F32, Device::cpu());
    const std::vector<Tensor> maps = swin.features(images, {});
    REQUIRE(maps.size() == 3);
    CHECK(maps[0].shape() == Shape{2, 16, 15, 96});
    CHECK(maps[1].shape() == Shape{2, 8, 8, 192});
    CHECK(maps[2].shape() == Shape{2, 4, 4, 384});
    std::map<std::string, Tensor> p;
    for (const NamedParameter& named : parameters_of(*model)) p[named.name] = *named.parameter;
    const Tensor normed = ops::layer_norm(maps[2], p["norm.weight"], p["norm.bias"], 1e-5);
    CHECK(ops::linear(ops::mean(normed, {1, 2}), p["head.fc.weight"], p["head.fc.bias"])
              .to_vector() == swin.forward(images, {}).to_vector());
}

TEST_CASE("the rule for maps that do not fit is an option of every Swin") {
    for (const std::string& name : model_names()) {
        const std::optional<SwinConfig> preset = swin_preset(name);
        if (!preset) continue;
        CAPTURE(name);
        CHECK(preset->rule == SwinRule::Torchvision);
        if (preset->embed_dim > 96 || preset->depths.size() > 3) continue;  // slow to make
        ModelOptions options;
        for (const SwinRule rule : {SwinRule::Timm, SwinRule::Microsoft, SwinRule::Torchvision}) {
            options.swin_padding = rule;
            CHECK(dynamic_cast<const Swin&>(*make_model(name, options)).config().rule == rule);
        }
    }
    // The models of the golden files with padding: 13x11 tokens, and 13x6, where timm's windows shrink.
    for (const GridSize image : {GridSize{52, 44}, {52, 24}}) {
        const Shape images = {2, image.rows, image.columns, 3};
        std::vector<std::vector<double>> found;
        for (const SwinRule rule : {SwinRule::Torchvision, SwinRule::Timm}) {
            ModelOptions options;
            options.height = image.rows;
            options.width = image.columns;
            options.swin_padding = rule;
            const auto model = make_model("swin_test", options);
            test::shake(*model, 3);
            found.push_back(logits(*model, images));
            CHECK(found.back() == logits(*tiny(with_rule(rule, image)), images));
        }
        CHECK(found[0] != found[1]);
    }
    CHECK(swin_rule("torchvision") == SwinRule::Torchvision);
    CHECK(swin_rule("timm") == SwinRule::Timm);
    CHECK(swin_rule("microsoft") == SwinRule::Microsoft);
    CHECK_FALSE(swin_rule("auto").has_value());
    for (const test::Small& small : test::kSmall) {
        CAPTURE(small.name);
        if (swin_preset(small.name)) continue;
        ModelOptions options;
        options.swin_padding = SwinRule::Timm;
        try {
            make_model(small.name, options);
            FAIL("no error");
        } catch (const Error& e) {
            CHECK(e.code() == "C04");
            CHECK(e.at() == "--swin-padding");
        }
    }
}

TEST_CASE("weights say whose logits they give where maps do not fit their windows") {
    const auto notes = [](SwinRule rule, GridSize image) {
        std::string who;
        for (const NameStyle& style : Swin(with_rule(rule, image)).name_styles())
            if (!style.differs.empty()) who += style.name + " ";
        return who;
    };
    const GridSize fits{32, 32}, pads{36, 32}, flat{16, 32};
    for (const SwinRule rule : {SwinRule::Torchvision, SwinRule::Timm, SwinRule::Microsoft})
        CHECK(notes(rule, fits).empty());
    CHECK(notes(SwinRule::Torchvision, pads) == "timm microsoft ");
    CHECK(notes(SwinRule::Timm, pads) == "torchvision hf microsoft ");
    CHECK(notes(SwinRule::Torchvision, flat) == "timm microsoft ");  // 2x4 tokens in the end

    const TempFile file;
    const auto model = tiny(with_rule(SwinRule::Torchvision, pads));
    save_weights(*model, file.path);
    CHECK_THAT(to_string(load_weights(*model, file.path)),
               Catch::Contains("timm names, 63 of 63 tensors; maps do not fit their windows, so "
                               "logits agree with timm's only with --swin-padding timm"));
    const auto fitting = tiny();
    CHECK(to_string(load_weights(*fitting, file.path)) == "timm names, 63 of 63 tensors");
}

TEST_CASE("drop-path rises over all blocks of a Swin") {
    ModelOptions options;
    options.drop_path = 0.3;
    const auto model = make_model("swin_test", options);
    struct Rates : Visitor {
        std::map<std::string, double> found;
        void enter_module(const std::string& name, Module& m) override {
            if (const auto* path = dynamic_cast<DropPath*>(&m)) found[name] = path->rate;
        }
    } rates;
    model->visit(rates);
    REQUIRE(rates.found.size() == 8);
    CHECK(rates.found["layers.0.blocks.0.drop_path1"] == 0.0);
    CHECK(rates.found["layers.0.blocks.1.drop_path2"] == Approx(0.1));
    CHECK(rates.found["layers.1.blocks.0.drop_path1"] == Approx(0.2));
    CHECK(rates.found["layers.1.blocks.1.drop_path1"] == Approx(0.3));
}

TEST_CASE("initial weights of a Swin are the authors'") {
    const auto model = make_model("swin_64", {});
    model->initialise(42);
    for (const StateTensor& t : state_of(*model)) {
        CAPTURE(t.name);
        const std::vector<double> v = t.value.to_vector();
        double squares = 0.0, largest = 0.0;
        for (const double x : v) {
            squares += x * x;
            largest = std::max(largest, std::abs(x));
        }
        const double deviation = std::sqrt(squares / static_cast<double>(v.size()));
        const double slack = 5.0 / std::sqrt(2.0 * static_cast<double>(v.size()));
        if (t.name.starts_with("patch_embed.proj")) {
            const double bound = 1.0 / std::sqrt(48.0);
            CHECK(largest <= bound);
            CHECK(largest > 0.9 * bound);
        } else if (t.name.find("norm") != std::string::npos || t.name.ends_with("bias")) {
            CHECK(v == std::vector<double>(v.size(), t.name.ends_with("weight") ? 1.0 : 0.0));
        } else {
            CHECK(deviation == Approx(0.02).epsilon(slack));
        }
    }
}

TEST_CASE("Swins that cannot be") {
    const SwinConfig good = *swin_preset("swin_test");
    CHECK(code_of(good).empty());
    const auto refuses = [&](const auto& change) {
        SwinConfig config = good;
        change(config);
        CHECK(code_of(config) == "C04");
    };
    refuses([](SwinConfig& c) { c.depths.clear(); });
    refuses([](SwinConfig& c) { c.depths = {2}; });
    refuses([](SwinConfig& c) { c.depths = {2, 0}; });
    refuses([](SwinConfig& c) { c.num_heads = {2, 0}; });
    refuses([](SwinConfig& c) { c.num_heads = {3, 4}; });
    refuses([](SwinConfig& c) { c.window = {0, 4}; });
    refuses([](SwinConfig& c) { c.patch_size = {4, 0}; });
    refuses([](SwinConfig& c) { c.patch_size = {4, 33}; });
    refuses([](SwinConfig& c) { c.image_size = {32, 3}; });
    refuses([](SwinConfig& c) { c.num_classes = 0; });
    CHECK_FALSE(swin_preset("swin_huge").has_value());
}
