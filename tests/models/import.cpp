// Weights in the names of other implementations, there and back; and files that do not fit as they are.
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "core/error.h"
#include "models/name_rules.h"
#include "models/swin.h"
#include "models/weight_names.h"
#include "models/weights.h"
#include "tests/models/sample.h"
#include "tests/models/temp_file.h"

using namespace fovea;
using test::read;
using test::TempFile;

namespace {

void write(const std::string& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary) << bytes;
}

std::unique_ptr<Classifier> tiny(const std::string& name, std::uint64_t seed,
                                 const ModelOptions& options = {}) {
    auto model = make_model(name, options);
    test::shake(*model, seed);
    return model;
}

std::map<std::string, std::vector<double>> values_of(Module& model) {
    std::map<std::string, std::vector<double>> values;
    for (const StateTensor& t : state_of(model)) values[t.name] = t.value.to_vector();
    return values;
}

/// The names in a file.
std::set<std::string> names_in(const std::string& path) {
    std::set<std::string> names;
    const auto file = SafetensorsFile::open(path);
    for (const TensorInfo& t : file.tensors()) names.insert(t.name);
    return names;
}

Error error_of(Classifier& model, const std::string& path, const ImportOptions& options = {}) {
    const auto before = values_of(model);
    try {
        load_weights(model, path, options);
    } catch (const Error& e) {
        CHECK(values_of(model) == before);  // all or nothing
        return e;
    }
    return {"", "no error"};
}

bool mentions(const Error& e, const std::string& text) {
    return format_error(e).find(text) != std::string::npos;
}

}  // namespace

TEST_CASE("weights go out in every style and come back, byte for byte") {
    const TempFile file;
    const std::map<std::string, std::vector<std::string>> expected = {
        {"alexnet_tiny", {"study"}},
        {"cvt_tiny", {"microsoft", "hf"}},
        {"cvt_recurrent_enhanced_test", {}},
        {"resnet_tiny", {"torchvision", "timm", "hf"}},
        {"resnet_tiny_bottleneck", {"torchvision", "timm", "hf"}},
        {"teacher_tiny", {}},
        {"deit_test", {"timm", "hf"}},
        {"mydeit_test", {"study"}},
        {"student_vit_test", {"study"}},
        {"vit_test", {"timm", "torchvision", "hf"}},
        {"swin_test", {"timm", "torchvision", "hf", "microsoft"}}};
    for (const test::Small& small : test::kSmall) {
        CAPTURE(small.name);
        const auto model = tiny(small.name, 1), other = tiny(small.name, 2);
        const auto wanted = values_of(*model);
        save_weights(*model, file.path);
        const std::string own_file = read(file.path);
        const std::set<std::string> own_names = names_in(file.path);

        std::vector<std::string> styles;
        for (const NameStyle& style : model->name_styles()) styles.push_back(style.name);
        CHECK(styles == expected.at(small.name));
        styles.emplace_back("safetensors");
        for (const std::string& style : styles) {
            CAPTURE(style);
            export_weights(*model, style, file.path);
            const std::string exported = read(file.path);
            if (style == "safetensors" || style == styles.front()) CHECK(exported == own_file);
            if (style == "hf")  // not one name is ours
                for (const std::string& name : names_in(file.path))
                    CHECK_FALSE(own_names.count(name));
            test::shake(*other, 2);
            const ImportSummary summary = load_weights(*other, file.path);
            CHECK(summary.loaded == summary.total);
            CHECK(summary.resized == 0);
            CHECK_FALSE(summary.head_reset);
            CHECK_FALSE(summary.channels_summed);
            const bool shared = exported == own_file;  // then the first style's names
            CHECK(summary.style == (!shared             ? style
                                    : styles.size() > 1 ? styles.front()
                                                        : "fovea"));
            CHECK(values_of(*other) == wanted);
            save_weights(*other, file.path);
            CHECK(read(file.path) == own_file);
            export_weights(*other, style, file.path);
            CHECK(read(file.path) == exported);
        }
    }
}

TEST_CASE("a style is offered only for networks that its owner can build") {
    const std::pair<const char*, std::vector<std::string>> table[] = {
        {"alexnet", {"torchvision"}},
        {"alexnet_67", {"study"}},
        {"teacher_mnist", {}},
        {"cvt_28", {"microsoft"}},  // no block in its first stage
        {"cvt_recurrent_s", {}},
        {"resnet18_64", {}},         // the small stem
        {"vit_64", {"timm", "hf"}},  // torchvision's qkv always has a bias
        {"vit_p8_s", {"timm", "torchvision", "hf"}}};
    for (const auto& [name, expected] : table) {
        CAPTURE(name);
        std::vector<std::string> styles;
        for (const NameStyle& style : make_model(name, {})->name_styles())
            styles.push_back(style.name);
        CHECK(styles == expected);
    }
}

TEST_CASE("the names are those of the others") {
    // From their own state dictionaries.
    const std::tuple<const char*, const char*, const char*, std::vector<std::string>> table[] = {
        {"vit_test",
         "hf",
         "blocks.2.attn.qkv.weight",
         {"vit.encoder.layer.2.attention.attention.query.weight",
          "vit.encoder.layer.2.attention.attention.key.weight",
          "vit.encoder.layer.2.attention.attention.value.weight"}},
        {"vit_test",
         "hf",
         "blocks.0.attn.proj.bias",
         {"vit.encoder.layer.0.attention.output.dense.bias"}},
        {"vit_test", "hf", "blocks.0.mlp.fc2.bias", {"vit.encoder.layer.0.output.dense.bias"}},
        {"vit_test", "hf", "norm.weight", {"vit.layernorm.weight"}},
        {"vit_test", "hf", "head.weight", {"classifier.weight"}},
        {"vit_test",
         "torchvision",
         "blocks.1.attn.qkv.weight",
         {"encoder.layers.encoder_layer_1.self_attention.in_proj_weight"}},
        {"vit_test",
         "torchvision",
         "blocks.1.mlp.fc1.bias",
         {"encoder.layers.encoder_layer_1.mlp.0.bias"}},
        {"vit_test", "torchvision", "pos_embed", {"encoder.pos_embedding"}},
        {"vit_test", "torchvision", "head.bias", {"heads.head.bias"}},
        {"deit_test", "hf", "dist_token", {"deit.embeddings.distillation_token"}},
        {"deit_test", "hf", "pos_embed", {"deit.embeddings.position_embeddings"}},
        {"deit_test", "hf", "head.weight", {"cls_classifier.weight"}},
        {"deit_test", "hf", "head_dist.weight", {"distillation_classifier.weight"}},
        {"swin_test",
         "hf",
         "layers.1.downsample.reduction.weight",
         {"swin.encoder.layers.0.downsample.reduction.weight"}},
        {"swin_test",
         "hf",
         "layers.1.blocks.0.attn.relative_position_bias_table",
         {"swin.encoder.layers.1.blocks.0.attention.self.relative_position_bias_table"}},
        {"swin_test",
         "microsoft",
         "layers.1.downsample.norm.bias",
         {"layers.0.downsample.norm.bias"}},
        {"swin_test", "torchvision", "layers.1.downsample.norm.bias", {"features.2.norm.bias"}},
        {"resnet_tiny",
         "hf",
         "bn1.running_var",
         {"resnet.embedder.embedder.normalization.running_var"}},
        {"resnet_tiny",
         "hf",
         "layer2.0.conv1.weight",
         {"resnet.encoder.stages.1.layers.0.layer.0.convolution.weight"}},
        {"resnet_tiny",
         "hf",
         "layer2.0.downsample.1.weight",
         {"resnet.encoder.stages.1.layers.0.shortcut.normalization.weight"}},
        {"resnet_tiny", "hf", "fc.bias", {"classifier.1.bias"}}};
    for (const auto& [model_name, style_name, own, theirs] : table) {
        CAPTURE(model_name, style_name, own);
        const auto model = make_model(model_name, {});
        bool found = false;
        for (const NameStyle& style : model->name_styles()) {
            if (style.name != style_name) continue;
            found = true;
            CHECK(style.spell(own) == theirs);
            const auto back = names_in_style(*model, style);
            for (std::size_t i = 0; i < theirs.size(); ++i) {
                REQUIRE(back.count(theirs[i]) == 1);
                CHECK(back.at(theirs[i]).own == own);
                CHECK(back.at(theirs[i]).part == i);
                CHECK(back.at(theirs[i]).parts == theirs.size());
            }
        }
        CHECK(found);
    }
    const auto vit = make_model("vit_test", {});
    try {
        export_weights(*vit, "microsoft", "/nowhere");
        FAIL("no error");
    } catch (const Error& e) {
        CHECK(e.code() == "C04");
        CHECK(mentions(e, "one of timm, torchvision, hf, safetensors"));
    }
}

TEST_CASE("the names agree with the reference implementations' maps") {
    std::ifstream in(FOVEA_SOURCE_DIR "/tests/golden/models/key_maps.json");
    const nlohmann::json maps = nlohmann::json::parse(in).at("maps");
    const auto spells = [](const char* model, const std::string& style, const std::string& own,
                           const std::string& theirs) {
        CAPTURE(model, style, own);
        for (const NameStyle& s : make_model(model, {})->name_styles())
            if (s.name == style) CHECK(s.spell(own) == std::vector{theirs});
    };
    std::size_t compared = 0;
    for (const auto& [hf, microsoft] : maps.at("cvt_hf_to_ms").items()) {
        spells("cvt_tiny", "hf", microsoft, hf);
        ++compared;
    }
    for (const auto& [timm, torchvision] : maps.at("vit_timm_to_tv").items()) {
        spells("vit_test", "torchvision", timm, torchvision);
        ++compared;
    }
    for (const auto& [microsoft, timm] : maps.at("swin_ms_to_timm").items()) {
        if (microsoft.ends_with("relative_position_index") || microsoft.ends_with("attn_mask"))
            continue;
        spells("swin_test", "microsoft", timm, microsoft);
        spells("swin_test", "torchvision", timm, maps.at("swin_ms_to_tv").at(microsoft));
        ++compared;
    }
    CHECK(compared > 300);
}

TEST_CASE("name rules put numbers and alternatives in their places") {
    constexpr NameRule rules[] = {
        {"a{n}.b{n}.", "x.{n-1}.{p,q}.{n}."}, {"c{n}.c{n}.", "{2n}.{2n+1}."}, {"a{n}.", "y{n}"}};
    CHECK(apply_rules(rules, "a12.b3.w") == std::vector<std::string>{"x.11.p.3.w", "x.11.q.3.w"});
    CHECK(apply_rules(rules, "a12.c") == std::vector<std::string>{"y12c"});
    CHECK(apply_rules(rules, "c0.c12.w") == std::vector<std::string>{"0.25.w"});
    for (const char* name : {"a.b3.w", "a12", "b", ""})
        CHECK(apply_rules(rules, name) == std::vector<std::string>{name});
}

TEST_CASE("torchvision's Swin file has the index tables, and ours ignores them") {
    const TempFile file;
    const auto model = tiny("swin_test", 1);
    export_weights(*model, "torchvision", file.path);
    const auto open = SafetensorsFile::open(file.path);
    const TensorInfo* index = open.find("features.1.1.attn.relative_position_index");
    REQUIRE(index != nullptr);
    CHECK(index->dtype == DType::I64);
    CHECK(index->shape == Shape{256});  // windows of 4x4
    std::vector<std::int64_t> values(256);
    open.read(*index, values.data());
    CHECK(values[0] == 24);  // (4 - 1) (2 * 4 - 1) + 4 - 1
    CHECK(values[15] == 0);
    CHECK(values[240] == 48);
}

TEST_CASE("older spellings load: prefixes, torchvision's first names of the MLP") {
    CHECK(modern_name("module.model.head.weight") == "head.weight");
    CHECK(modern_name("model.module.head.weight") == "head.weight");
    CHECK(modern_name("state_dict.head.weight") == "head.weight");
    CHECK(modern_name("state_dict.model.head.weight") == "head.weight");
    CHECK(modern_name("encoder.layers.encoder_layer_3.mlp.linear_2.bias") ==
          "encoder.layers.encoder_layer_3.mlp.3.bias");
    CHECK(modern_name("blocks.0.mlp.linear_1.bias") == "blocks.0.mlp.linear_1.bias");
}

TEST_CASE("another number of classes needs reset_head") {
    const TempFile file;
    ModelOptions five;
    five.num_classes = 5;
    for (const test::Small& small : test::kSmall) {
        CAPTURE(small.name);
        const auto model = tiny(small.name, 1), other = tiny(small.name, 2, five);
        save_weights(*model, file.path);
        const Error e = error_of(*other, file.path);
        CHECK(e.code() == "K03");
        CHECK(mentions(e, "[10"));
        CHECK(mentions(e, "[5"));
        CHECK(mentions(e, "--reset-head (the other "));

        const auto head_before = values_of(*other), body = values_of(*model);
        const ImportSummary summary = load_weights(*other, file.path, {true});
        CHECK(summary.head_reset);
        CHECK(summary.file_classes == 10);
        CHECK(summary.classes == 5);
        const bool two_heads = std::string(small.name).find("deit") != std::string::npos;
        CHECK(summary.total - summary.loaded == (two_heads ? 4 : 2));
        CHECK(to_string(summary).find(", head replaced (10 -> 5)") != std::string::npos);
        for (const auto& [name, values] : values_of(*other)) {
            CAPTURE(name);
            CHECK(values == (is_head(*other, name) ? head_before : body).at(name));
        }
    }
    // The head stays random even where it would fit, or where the file has none.
    const auto model = tiny("vit_test", 1), other = tiny("vit_test", 2);
    std::vector<NamedTensor> headless;
    const std::vector<StateTensor> state = state_of(*model);
    for (const StateTensor& t : state)
        if (!is_head(*model, t.name)) headless.push_back(t.named());
    write_safetensors(file.path, headless);
    const Error e = error_of(*other, file.path);
    CHECK(e.code() == "K04");
    CHECK(mentions(e, "2 tensors are missing: head.weight, head.bias"));
    CHECK(e.attempt() == "--reset-head (the other " + std::to_string(state.size() - 2) + " of " +
                             std::to_string(state.size()) + " tensors fit)");
    CHECK(to_string(load_weights(*other, file.path, {true})).find("head new (10 classes)") !=
          std::string::npos);
    headless.pop_back();  // and something else
    write_safetensors(file.path, headless);
    CHECK(error_of(*other, file.path).attempt() == "weights of the same architecture (--model)");
}

TEST_CASE("weights for RGB images serve grey ones") {
    const TempFile file;
    ModelOptions rgb, grey;
    rgb.in_channels = 3;
    grey.in_channels = 1;
    for (const char* name : {"vit_test", "resnet_tiny", "swin_test", "cvt_tiny", "alexnet_tiny"}) {
        CAPTURE(name);
        const auto model = tiny(name, 1, rgb), other = tiny(name, 2, grey);
        save_weights(*model, file.path);
        CHECK(load_weights(*other, file.path).channels_summed);
        // A grey picture three times over is the same picture.
        const Shape in = model->input_shape();
        const Tensor picture = test::pictures({2, in[0], in[1], 1}, DType::F32, Device::cpu());
        std::vector<double> thrice;
        for (const double v : picture.to_vector()) thrice.insert(thrice.end(), 3, v);
        const std::vector<double> a =
            model->forward(Tensor::from(thrice, {2, in[0], in[1], 3}), {}).to_vector();
        const std::vector<double> b = other->forward(picture, {}).to_vector();
        double largest = 0.0, scale = 0.0;
        for (std::size_t i = 0; i < a.size(); ++i) {
            largest = std::max(largest, std::abs(a[i] - b[i]));
            scale = std::max(scale, std::abs(a[i]));
        }
        CHECK(scale > 0.01);
        CHECK(largest < 1e-4 * std::max(1.0, scale));
        // Not the other way round.
        save_weights(*other, file.path);
        CHECK(error_of(*model, file.path).code() == "K03");
    }
}

TEST_CASE("another image size resamples positions and bias tables") {
    const TempFile file;
    ModelOptions large;
    for (const auto& [name, side] : {std::pair{"vit_test", 36},
                                     {"deit_test", 36},
                                     {"student_vit_test", 20},
                                     {"mydeit_test", 20}}) {
        CAPTURE(name);
        large.height = large.width = side;
        const auto model = tiny(name, 1), other = tiny(name, 2, large);
        save_weights(*model, file.path);
        const ImportSummary summary = load_weights(*other, file.path);
        CHECK(summary.resized == 1);
        CHECK(summary.loaded == summary.total);
        CHECK(to_string(summary).find(", 1 resized for another image size") != std::string::npos);
    }
    SwinConfig config = *swin_preset("swin_test");
    Swin small(config);
    test::shake(small, 1);
    config.window = {2, 2};
    Swin other(config);
    for (const char* style : {"timm", "torchvision", "hf", "microsoft"}) {
        export_weights(small, style, file.path);
        CHECK(load_weights(other, file.path).resized == 4);
    }
}

TEST_CASE("Hugging Face's bare backbones, and a DeiT with one head") {
    const TempFile file;
    const auto rewritten = [&](Classifier& model, const auto& rename, bool pooler) {
        std::vector<StateTensor> kept;
        for (const StateTensor& t : state_of(model)) {
            const std::vector<std::string> theirs = style_called(model, "hf").spell(t.name);
            const std::int64_t rows = theirs.size() == 1 ? 0 : t.value.size(0) / 3;
            for (std::size_t i = 0; i < theirs.size(); ++i) {
                const std::int64_t begin = rows * static_cast<std::int64_t>(i);
                const std::string name = rename(theirs[i]);
                if (!name.empty())
                    kept.push_back(
                        {name,
                         rows == 0 ? t.value : t.value.slice(0, begin, begin + rows).contiguous()});
            }
        }
        if (pooler) kept.push_back({"pooler.dense.weight", Tensor::zeros({24, 24})});
        std::vector<NamedTensor> tensors;
        for (const StateTensor& t : kept) tensors.push_back(t.named());
        write_safetensors(file.path, tensors);
    };
    for (const auto& [name, word, head] : {std::tuple{"vit_test", "vit.", "classifier."},
                                           {"swin_test", "swin.", "classifier."},
                                           {"resnet_tiny", "resnet.", "classifier."},
                                           {"deit_test", "deit.", "_classifier."},
                                           {"deit_test", "deit.", "distillation_classifier."}}) {
        CAPTURE(name, head);
        const auto model = tiny(name, 1), other = tiny(name, 2);
        const bool vit = std::string(name) == "vit_test", one_head = std::string(head).size() > 20;
        rewritten(
            *model,
            [&](const std::string& theirs) -> std::string {
                if (theirs.find(head) != std::string::npos) return "";
                if (one_head) return theirs.starts_with("cls_") ? theirs.substr(4) : theirs;
                return theirs.starts_with(word) ? theirs.substr(std::string(word).size()) : theirs;
            },
            vit);
        const Error e = error_of(*other, file.path);
        CHECK(e.code() == "K04");
        CHECK(e.attempt().starts_with("--reset-head"));
        const auto head_before = values_of(*other), body = values_of(*model);
        const ImportSummary summary = load_weights(*other, file.path, {true});
        CHECK(summary.style == "hf");
        CHECK(summary.unused ==
              (vit ? std::vector<std::string>{"pooler.dense.weight"} : std::vector<std::string>{}));
        CHECK((to_string(summary).find(", not used: pooler.dense.weight") != std::string::npos) ==
              vit);
        for (const auto& [own, values] : values_of(*other))
            CHECK(values == (is_head(*other, own) ? head_before : body).at(own));
    }
}

TEST_CASE("tables that models compute are passed over for their own blocks only") {
    const TempFile file;
    const auto with = [&](Classifier& model, const std::string& name) {
        const std::vector<StateTensor> state = state_of(model);
        std::vector<NamedTensor> tensors;
        for (const StateTensor& t : state) tensors.push_back(t.named());
        const StateTensor more{name, Tensor::zeros({4, 4})};
        tensors.push_back(more.named());
        write_safetensors(file.path, tensors);
    };
    const auto swin = tiny("swin_test", 1), vit = tiny("vit_test", 1);
    for (const char* name : {"layers.0.blocks.1.attn_mask", "layers.1.blocks.0.attn.attn_mask",
                             "layers.1.blocks.1.attn.relative_position_index"}) {
        CAPTURE(name);
        with(*swin, name);
        CHECK_NOTHROW(load_weights(*swin, file.path));
    }
    for (const char* name : {"layers.0.blocks.2.attn_mask", "attn_mask", "decoder.0.attn_mask",
                             "layers.3.blocks.1.attn.relative_position_index"}) {
        CAPTURE(name);
        with(*swin, name);
        CHECK(mentions(error_of(*swin, file.path), std::string("1 tensor is unknown: ") + name));
    }
    with(*vit, "blocks.0.attn_mask");
    CHECK(mentions(error_of(*vit, file.path), "1 tensor is unknown: blocks.0.attn_mask"));
}

TEST_CASE("integers are no weights, floats of any precision are") {
    const TempFile file;
    const auto model = tiny("vit_test", 1);
    for (const DType dtype :
         {DType::I32, DType::I64, DType::U8, DType::F64, DType::F16, DType::BF16}) {
        CAPTURE(name_of(dtype));
        std::vector<StateTensor> state = state_of(*model);
        for (StateTensor& t : state)
            if (t.name == "norm.weight") t.value = Tensor::zeros(t.value.shape(), dtype);
        std::vector<NamedTensor> tensors;
        for (const StateTensor& t : state) tensors.push_back(t.named());
        write_safetensors(file.path, tensors);
        const auto other = tiny("vit_test", 2);
        if (is_floating(dtype)) {
            CHECK(load_weights(*other, file.path).loaded ==
                  static_cast<std::int64_t>(state.size()));
            CHECK(set_state(*other, "norm.weight", Tensor::zeros({24}, dtype)));
            continue;
        }
        const Error e = error_of(*other, file.path);
        CHECK(e.code() == "K03");
        CHECK(mentions(e, "norm.weight holds integers"));
        CHECK_THROWS_AS(set_state(*other, "norm.weight", Tensor::zeros({24}, dtype)), Error);
    }
}

TEST_CASE("pickles are refused with the way to convert them") {
    const TempFile file;
    const auto model = tiny("vit_test", 1);
    for (const std::string& begin :
         {std::string("PK\x03\x04"), std::string("\x80\x02"), std::string("\x80\x05")}) {
        write(file.path, begin + std::string(100, 'x'));
        const Error e = error_of(*model, file.path);
        CHECK(e.code() == "K01");
        CHECK(mentions(e, "pickle"));
        CHECK(mentions(e, "safetensors.torch.save_file("));
    }
}

TEST_CASE("what does not fit is named, a few of it") {
    const TempFile file;
    const auto model = tiny("vit_test", 1);
    std::vector<StateTensor> state = state_of(*model);
    std::vector<NamedTensor> changed;
    for (const StateTensor& t : state) {
        NamedTensor named = t.named();
        if (t.name.starts_with("blocks.2.")) named.name = "blocks.7" + t.name.substr(8);
        if (t.name == "norm.bias") named.shape = {1, named.shape[0]};
        changed.push_back(named);
    }
    write_safetensors(file.path, changed);
    const Error e = error_of(*model, file.path);
    CHECK(e.code() == "K04");
    CHECK(mentions(e,
                   "12 tensors are missing: blocks.2.norm1.weight, blocks.2.norm1.bias, "
                   "blocks.2.attn.qkv.weight and 9 more"));
    CHECK(mentions(e, "12 tensors are unknown: blocks.7."));
    CHECK(mentions(e, "norm.bias is [1, 24] in the file, [24] in the model"));

    // A third of a packed projection: missing; of another shape: said so.
    export_weights(*model, "hf", file.path);
    const auto open = SafetensorsFile::open(file.path);
    std::vector<std::vector<std::byte>> bytes;
    std::vector<NamedTensor> tensors;
    for (const TensorInfo& t : open.tensors()) {
        bytes.emplace_back(t.bytes());
        open.read(t, bytes.back().data());
    }
    for (std::size_t i = 0; i < bytes.size(); ++i)
        tensors.push_back(
            {open.tensors()[i].name, open.tensors()[i].dtype, open.tensors()[i].shape, bytes[i]});
    const auto key = std::find_if(tensors.begin(), tensors.end(), [](const NamedTensor& t) {
        return t.name == "vit.encoder.layer.1.attention.attention.key.weight";
    });
    REQUIRE(key != tensors.end());
    key->shape = {12, 48};
    write_safetensors(file.path, tensors);
    const Error parts = error_of(*model, file.path);
    CHECK(parts.code() == "K03");
    CHECK(mentions(parts, "vit.encoder.layer.1.attention.attention.key.weight is [12, 48]"));
    tensors.erase(key);
    write_safetensors(file.path, tensors);
    CHECK(mentions(error_of(*model, file.path), "1 tensor is missing: blocks.1.attn.qkv.weight"));

    // Weights of quite another kind.
    save_weights(*tiny("resnet_tiny", 1), file.path);
    CHECK(error_of(*model, file.path).code() == "K04");
}
