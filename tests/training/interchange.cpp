// Weights between programs: --init, --reset-head, export, and the list of models.
#include <catch2/catch.hpp>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "core/serialize/safetensors.h"
#include "tests/training/programs.h"

using namespace test;
namespace fs = std::filesystem;

namespace {

/// A short run of cvt_tiny, trained once per program.
const std::string& finished() {
    static const TempFolder folder;
    static const std::string run = [] {
        train(short_run(folder / "run", {"--max-steps", "2"}));
        return folder / "run";
    }();
    return run;
}

Outcome must(const Outcome& outcome) {
    INFO(outcome.err);
    REQUIRE(outcome.status == 0);
    return outcome;
}

bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("export writes others' names, and --init reads them again") {
    const TempFolder folder;
    const std::string same = folder / "same/weights.safetensors", hf = folder / "hf";
    must(run("export", {finished(), "--out", same}));
    CHECK(read(same) == read(finished() + "/model.safetensors"));
    CHECK(fs::exists(folder / "same/config.json"));

    const Outcome exported = must(run("export", {finished(), "--format", "hf", "--out", hf}));
    CHECK(has(exported.out, "note: Hugging Face's CvT computes GELU exactly"));
    const auto config = nlohmann::json::parse(read(hf + "/config.json"));
    CHECK(config.at("model_type") == "cvt");
    CHECK(config.at("embed_dim") == nlohmann::json({8, 16, 24}));
    CHECK(config.at("id2label").size() == 10);
    const std::string weights = hf + "/model.safetensors";
    CHECK(read(weights) != read(same));

    const Outcome dry =
        must(run("train_cvt", short_run(folder / "no", {"--dry-run", "--init", weights})));
    CHECK(has(dry.out, "init     " + weights + ": hf names, "));
    CHECK_FALSE(has(dry.out, "head"));
    const Outcome headless = must(run(
        "train_cvt", short_run(folder / "no", {"--dry-run", "--init", weights, "--reset-head"})));
    CHECK(has(headless.out, ", head replaced (10 -> 10)"));
    CHECK_FALSE(fs::exists(folder / "no"));

    // The first step starts from those weights: from either file the same, and not from random ones.
    const std::string a = folder / "a", b = folder / "b", random = folder / "random";
    train(short_run(a, {"--max-steps", "1", "--init", weights}));
    train(short_run(b, {"--max-steps", "1", "--init", same}));
    train(short_run(random, {"--max-steps", "1"}));
    CHECK(read(a + "/model.safetensors") == read(b + "/model.safetensors"));
    CHECK(read(a + "/model.safetensors") != read(random + "/model.safetensors"));

    // A resumed run has weights of its own and needs the file no more.
    fs::remove(same);
    const Outcome resumed = resume(b, {"--max-steps", "2"});
    CHECK_FALSE(has(resumed.out, "init "));
}

TEST_CASE("a Swin keeps the rule for maps that do not fit its windows") {
    const TempFolder folder;
    const auto swin = [&](const std::string& out, const Arguments& more) {
        Arguments arguments = short_run(
            folder / out, {"--model", "swin_test", "--img-size", "36", "--max-steps", "1"});
        arguments.insert(arguments.end(), more.begin(), more.end());
        return arguments;
    };
    train(swin("timm", {"--swin-padding", "timm"}));
    train(swin("torchvision", {"--swin-padding", "torchvision"}));
    train(swin("auto", {}));
    const auto weights = [&](const std::string& run) {
        return read(folder / (run + "/model.safetensors"));
    };
    CHECK(weights("auto") == weights("torchvision"));
    CHECK(weights("timm") != weights("torchvision"));
    CHECK(has(read(folder / "timm/config.toml"), "swin_padding = \"timm\""));

    // Opened again, the model is the one that was trained.
    const std::string before = read(folder / "timm/eval/predictions.csv");
    must(run("evaluate", {folder / "timm"}));
    CHECK(read(folder / "timm/eval/predictions.csv") == before);
    const std::string config = read(folder / "timm/config.toml");
    const std::size_t at = config.find("\"timm\"");
    write(folder / "timm/config.toml",
          config.substr(0, at) + "\"torchvision\"" + config.substr(at + 6));
    must(run("evaluate", {folder / "timm"}));
    CHECK(read(folder / "timm/eval/predictions.csv") != before);

    const std::string advice = "only with --swin-padding timm";
    CHECK(has(must(run("export", {folder / "auto", "--format", "timm"})).out, advice));
    const std::string init = folder / "auto/model.safetensors";
    CHECK(has(train(swin("dry", {"--dry-run", "--init", init})).out, advice));
    CHECK_FALSE(has(train(swin("dry", {"--dry-run", "--init", init, "--swin-padding", "timm"})).out,
                    advice));
    const Outcome refused = run("train_cvt", short_run(folder / "no", {"--swin-padding", "timm"}));
    CHECK(refused.status == 2);
    CHECK(has(refused.err, "error[C04] cvt_tiny has no windows"));
    const Outcome unfit = run("train_cvt", swin("no", {"--swin-padding", "microsoft"}));
    CHECK(unfit.status == 2);
    CHECK(has(unfit.err, "needs padding, which Microsoft's Swin does not have"));
}

TEST_CASE("export writes the network as ONNX, or nothing") {
    const TempFolder folder;
    const std::string file = folder / "new/net.onnx";
    const Arguments arguments = {finished(), "--format", "onnx", "--out", file};
    CHECK(has(must(run("export", arguments)).out, "wrote " + file + ": ONNX opset 17, "));
    const std::string bytes = read(file);
    CHECK(has(bytes, "stage2.blocks.0.attn.conv_proj_q.conv.weight"));
    CHECK(has(bytes, "pixel_values = (pixels / 255 - mean) / std"));
    CHECK(has(bytes, "class_names"));

    const Outcome full = run("export", arguments, {.folder = {}, .file_bytes = 10000});
    CHECK(full.status == 7);
    CHECK(error_code(full.err) == "F02");
    CHECK(well_formed_error(full.err));
    CHECK(read(file) == bytes);
    CHECK(std::distance(fs::directory_iterator(folder / "new"), fs::directory_iterator()) == 1);
}

TEST_CASE("export leaves the files of runs alone") {
    const TempFolder folder;
    const std::string other = folder / "other";
    fs::copy(finished(), other, fs::copy_options::recursive);
    fs::create_directory_symlink(other, folder / "link");
    const auto files_of = [](const std::string& run) {
        std::map<std::string, std::string> files;
        for (const auto& entry : fs::recursive_directory_iterator(run))
            if (entry.is_regular_file()) files[entry.path().string()] = read(entry.path());
        return files;
    };
    const auto own = files_of(finished()), others = files_of(other);
    for (const std::string& out :
         {finished(), finished() + "/weights_hf.safetensors", other,
          finished() + "/checkpoints/last.ckpt.safetensors", finished() + "/eval",
          folder / "link/weights.safetensors", finished() + "/export/../config.safetensors"}) {
        CAPTURE(out);
        const Outcome refused = run("export", {finished(), "--format", "hf", "--out", out});
        CHECK(refused.status == 2);
        CHECK(error_code(refused.err) == "C12");
        CHECK(well_formed_error(refused.err));
    }
    CHECK(files_of(finished()) == own);
    CHECK(files_of(other) == others);
    must(run("export", {other, "--format", "hf"}));
    must(run("export", {other, "--format", "onnx", "--out", other + "/network.onnx"}));
    for (const auto& [file, bytes] : others) CHECK(read(file) == bytes);
}

TEST_CASE("a run of a model that timm has is one that timm reads") {
    const TempFolder folder;
    const std::string vit = folder / "vit";
    train(short_run(vit, {"--model", "vit_test", "--img-size", "28", "--max-steps", "1"}));
    const auto card = nlohmann::json::parse(read(vit + "/config.json"));
    CHECK(card.at("architecture") == "vit_base_patch16_224");
    CHECK(card.at("model_args").at("img_size") == 28);
    must(run("export", {vit, "--format", "timm"}));
    CHECK(read(vit + "/export_timm/config.json") == read(vit + "/config.json"));
    CHECK(read(vit + "/export_timm/model.safetensors") == read(vit + "/model.safetensors"));
    const std::string before = read(vit + "/eval/predictions.csv");
    must(run("evaluate", {vit}));
    CHECK(read(vit + "/eval/predictions.csv") == before);

    CHECK(has(read(finished() + "/config.json"), "in a form that timm does not read"));
}

TEST_CASE("export and doctor print JSON") {
    const TempFolder folder;
    const auto facts_of = [](const Arguments& arguments) {
        return nlohmann::json::parse(must(run("export", arguments)).out);
    };
    const std::string weights = folder / "hf/model.safetensors";
    const auto hf = facts_of({finished(), "--format", "hf", "--json", "--out", folder / "hf"});
    CHECK(hf.at("format") == "hf");
    CHECK(hf.at("path") == weights);
    CHECK(hf.at("config") == folder / "hf/config.json");
    CHECK(hf.at("bytes") == fs::file_size(weights));
    CHECK(hf.at("tensors") == fovea::SafetensorsFile::open(weights).tensors().size());
    CHECK(has(hf.at("note"), "Hugging Face's CvT"));
    const auto onnx = facts_of({finished(), "--format", "onnx", "--json", "--out", folder / "net"});
    CHECK(onnx.at("path") == folder / "net/model.onnx");
    CHECK(onnx.at("bytes") == fs::file_size(folder / "net/model.onnx"));
    CHECK(onnx.at("opset") == 17);

    const auto found = nlohmann::json::parse(must(run("doctor", {"--json"})).out);
    CHECK(has(found.at("program"), "fovea "));
    CHECK(found.at("memory_mib") > 0);
    CHECK(found.at("self_tests").at(0).at("device") == "cpu");
    CHECK(found.at("ok") == true);
}

TEST_CASE("wrong weights, formats and folders") {
    const TempFolder folder;
    const std::string pickle = folder / "model.pth", own = finished() + "/model.safetensors";
    write(pickle, std::string("PK\x03\x04") + std::string(60, 'x'));
    struct Fault {
        std::string program;
        Arguments arguments;
        int status;
        std::string code, mention;
    };
    const Fault faults[] = {
        {"train_cvt", short_run(folder / "no", {"--init", pickle}), 4, "K01", "save_file("},
        {"train_cvt", short_run(folder / "no", {"--init", folder / "none"}), 4, "K05", "none"},
        {"train_cvt", short_run(folder / "no", {"--init", own, "--model", "cvt_28"}), 4, "K",
         "stage0.patch_embed.proj.weight"},
        {"train_cvt", short_run(folder / "no", {"--reset-head"}), 2, "C09", "--init"},
        {"export", {}, 2, "C10", "RUN"},
        {"export", {finished(), "--format", "timm"}, 2, "C04", "one of microsoft, hf"},
        {"export", {finished(), "--format", "pickle"}, 2, "C04", "safetensors|timm"},
        {"export", {finished(), "--out", finished()}, 2, "C12", "another --out"},
        {"export", {finished(), "--out", folder / "a.onnx"}, 2, "C11", "a.onnx"},
        {"models", {"no_such_*"}, 2, "C20", "./fovea models lists all"},
    };
    for (const Fault& fault : faults) {
        CAPTURE(fault.program, fault.arguments);
        const Outcome outcome = run(fault.program, fault.arguments);
        CAPTURE(outcome.err);
        CHECK(outcome.status == fault.status);
        CHECK(has(outcome.err, "error[" + fault.code));
        CHECK(has(outcome.err, fault.mention));
    }
    CHECK_FALSE(fs::exists(folder / "no"));
    CHECK_FALSE(fs::exists(finished() + "/export_timm"));
}

TEST_CASE("models lists what there is") {
    const Outcome json = must(run("models", {"cvt_28", "vit_test", "--json"}));
    const auto list = nlohmann::json::parse(json.out);
    REQUIRE(list.size() == 2);
    CHECK(list[0].at("model") == "cvt_28");
    CHECK(list[0].at("parameters") == 225482);
    CHECK(list[0].at("input") == nlohmann::json({28, 28, 1}));
    CHECK(list[0].at("explain") == "stage2.blocks.0.norm1");
    CHECK(list[1].at("formats") == nlohmann::json({"timm", "torchvision", "hf"}));
    const Outcome csv = must(run("models", {"vit_test", "--csv"}));
    CHECK(has(csv.out, "vit_test,17002,0.0"));
    CHECK(has(csv.out, ",24,24,3,10,blocks.2.norm1,timm torchvision hf\n"));
    CHECK(has(must(run("models", {"resnet_t*"})).out, "resnet_tiny_bottleneck"));
}
