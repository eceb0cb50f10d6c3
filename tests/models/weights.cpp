// Weights in and out: our files, Hugging Face's names, wrong files.
#include "models/weights.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <limits>
#include <set>
#include <sstream>

#include "core/error.h"
#include "tests/models/sample.h"
#include "tests/models/temp_file.h"

using namespace fovea;
using test::read;
using test::spelled;
using test::TempFile;

namespace {

std::unique_ptr<Classifier> tiny(std::uint64_t seed, std::int64_t classes = 10) {
    ModelOptions options;
    options.num_classes = classes;
    auto model = make_model("cvt_tiny", options);
    if (seed > 0) test::shake(*model, seed);
    return model;
}

/// Writes the model's state with every name passed through `rename`; an empty name leaves out.
template <class Rename>
void save_renamed(Module& model, const std::string& path, const Rename& rename) {
    const std::vector<StateTensor> state = state_of(model);
    std::vector<NamedTensor> tensors;
    for (const StateTensor& t : state) {
        NamedTensor named = t.named();
        named.name = rename(named.name);
        if (!named.name.empty()) tensors.push_back(named);
    }
    write_safetensors(path, tensors);
}

bool same_state(Module& a, Module& b) {
    const std::vector<StateTensor> of_a = state_of(a), of_b = state_of(b);
    if (of_a.size() != of_b.size()) return false;
    for (std::size_t i = 0; i < of_a.size(); ++i)
        if (of_a[i].name != of_b[i].name || of_a[i].value.to_vector() != of_b[i].value.to_vector())
            return false;
    return true;
}

Error error_of(Classifier& model, const std::string& path) {
    try {
        load_weights(model, path);
    } catch (const Error& e) {
        return e;
    }
    return {"", "no error"};
}

bool mentions(const Error& e, const std::string& text) {
    return format_error(e).find(text) != std::string::npos;
}

}  // namespace

TEST_CASE("state goes through a file and back, byte for byte") {
    const TempFile file;
    const auto model = tiny(1), other = tiny(2);
    REQUIRE_FALSE(same_state(*model, *other));
    save_weights(*model, file.path);
    const std::string bytes = read(file.path);
    load_weights(*other, file.path);
    CHECK(same_state(*model, *other));
    save_weights(*other, file.path);
    CHECK(read(file.path) == bytes);

    const auto open = SafetensorsFile::open(file.path);
    CHECK(open.tensors().size() == state_of(*model).size());
    REQUIRE(open.find("stage0.patch_embed.proj.weight") != nullptr);
    CHECK(open.find("stage0.patch_embed.proj.weight")->shape == Shape{8, 3, 7, 7});
    CHECK(open.find("stage1.blocks.0.attn.conv_proj_q.bn.num_batches_tracked")->dtype ==
          DType::I64);
}

TEST_CASE("every tensor of a CvT has a name of its own at Hugging Face") {
    const auto model = tiny(1);
    std::set<std::string> foreign;
    for (const StateTensor& t : state_of(*model)) {
        CAPTURE(t.name);
        CHECK(spelled(*model, "hf", t.name) != t.name);
        foreign.insert(spelled(*model, "hf", t.name));
    }
    CHECK(foreign.size() == state_of(*model).size());

    const std::pair<const char*, const char*> pairs[] = {
        {"stage0.patch_embed.proj.weight",
         "cvt.encoder.stages.0.embedding.convolution_embeddings.projection.weight"},
        {"stage1.patch_embed.norm.bias",
         "cvt.encoder.stages.1.embedding.convolution_embeddings.normalization.bias"},
        {"stage2.cls_token", "cvt.encoder.stages.2.cls_token"},
        {"stage2.blocks.1.norm1.weight", "cvt.encoder.stages.2.layers.1.layernorm_before.weight"},
        {"stage2.blocks.1.norm2.weight", "cvt.encoder.stages.2.layers.1.layernorm_after.weight"},
        {"stage1.blocks.0.attn.conv_proj_k.conv.weight",
         "cvt.encoder.stages.1.layers.0.attention.attention.convolution_projection_key."
         "convolution_projection.convolution.weight"},
        {"stage1.blocks.0.attn.conv_proj_v.bn.running_var",
         "cvt.encoder.stages.1.layers.0.attention.attention.convolution_projection_value."
         "convolution_projection.normalization.running_var"},
        {"stage0.blocks.0.attn.proj_q.bias",
         "cvt.encoder.stages.0.layers.0.attention.attention.projection_query.bias"},
        {"stage0.blocks.0.attn.proj.weight",
         "cvt.encoder.stages.0.layers.0.attention.output.dense.weight"},
        {"stage0.blocks.0.mlp.fc1.weight",
         "cvt.encoder.stages.0.layers.0.intermediate.dense.weight"},
        {"stage0.blocks.0.mlp.fc2.bias", "cvt.encoder.stages.0.layers.0.output.dense.bias"},
        {"norm.weight", "layernorm.weight"},
        {"head.bias", "classifier.bias"}};
    for (const auto& [ours, theirs] : pairs) {
        CHECK(spelled(*model, "hf", ours) == theirs);
        CHECK(foreign.count(theirs) == 1);
    }
}

TEST_CASE("files of others load: their names, their prefixes, their precision") {
    const TempFile file;
    const auto model = tiny(1);
    const auto loads = [&](const auto& rename) {
        save_renamed(*model, file.path, rename);
        const auto other = tiny(2);
        load_weights(*other, file.path);
        return same_state(*model, *other);
    };
    CHECK(loads([&](const std::string& n) { return spelled(*model, "hf", n); }));
    CHECK(loads([](const std::string& n) { return "module." + n; }));
    CHECK(loads([](const std::string& n) { return "model." + n; }));
    CHECK(loads([](const std::string& n) { return "module.model." + n; }));
    // Old checkpoints lack the batch counters.
    save_renamed(*model, file.path, [](const std::string& n) {
        return n.find("num_batches_tracked") == std::string::npos ? n : std::string();
    });
    CHECK_NOTHROW(load_weights(*tiny(2), file.path));
    // Double precision is rounded.
    const auto wide = tiny(1);
    move_to(*wide, Device::reference(), DType::F64);
    save_weights(*wide, file.path);
    const auto other = tiny(2);
    load_weights(*other, file.path);
    CHECK(same_state(*model, *other));
}

TEST_CASE("weights that do not fit are refused by name") {
    const TempFile file;
    const auto model = tiny(1);

    save_weights(*model, file.path);
    const auto five = tiny(0, 5);
    const Error shape = error_of(*five, file.path);
    CHECK(shape.code() == "K03");
    CHECK(mentions(shape, "head."));
    CHECK(mentions(shape, "[10"));
    CHECK(mentions(shape, "[5"));
    CHECK(shape.at() == file.path);
    CHECK_FALSE(shape.attempt().empty());

    save_renamed(*model, file.path,
                 [](const std::string& n) { return n == "norm.bias" ? std::string() : n; });
    const Error missing = error_of(*tiny(0), file.path);
    CHECK(missing.code() == "K04");
    CHECK(mentions(missing, "1 tensor is missing: norm.bias"));

    save_renamed(*model, file.path,
                 [](const std::string& n) { return n == "norm.bias" ? "norm.beta" : n; });
    const Error unknown = error_of(*tiny(0), file.path);
    CHECK(unknown.code() == "K04");
    CHECK(mentions(unknown, "1 tensor is unknown: norm.beta"));

    save_weights(*make_model("cvt_28", {}), file.path);
    CHECK(error_of(*tiny(0), file.path).exit() == Exit::Checkpoint);
    CHECK(error_of(*tiny(0), file.path + ".none").code() == "K05");
}

TEST_CASE("numbers that are not finite are neither read nor written") {
    const TempFile file;
    for (const char* name : {"stage0.patch_embed.proj.weight", "stage1.blocks.0.norm1.bias",
                             "stage1.blocks.1.attn.conv_proj_k.bn.running_var",
                             "stage2.blocks.0.attn.proj_v.weight", "stage2.cls_token", "head.bias"})
        for (const double bad :
             {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
            CAPTURE(name, bad);
            const auto model = tiny(1);
            for (const StateTensor& t : state_of(*model)) {
                if (t.name != name) continue;
                std::vector<double> values = t.value.to_vector();
                values.back() = bad;
                CHECK(set_state(*model, name, Tensor::from(values, t.value.shape())));
            }
            save_renamed(*model, file.path, [](const std::string& n) { return n; });
            const Error e = error_of(*tiny(0), file.path);
            CHECK(e.code() == "N02");
            CHECK(mentions(e, name));
            CHECK_THROWS_AS(save_weights(*model, file.path), Error);
        }
    CHECK_FALSE(set_state(*tiny(0), "no.such.tensor", Tensor::zeros({1})));
}
