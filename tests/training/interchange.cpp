// Weights between programs: --init, --reset-head, export, and the list of models.
#include <catch2/catch.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>

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
        {"models", {"no_such_*"}, 2, "C20", "cvt_28"},
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
