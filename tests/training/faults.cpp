// Mistakes and mishaps: the right code, the right exit status, a message with a place and a next
// step, and nothing lost or left behind.
#include <catch2/catch.hpp>

#include "core/serialize/checkpoint.h"
#include "tests/training/programs.h"

using namespace test;
namespace fs = std::filesystem;

namespace {

struct Fault {
    const char* what;
    const char* program;
    Arguments arguments;
    int status;
    const char* code;
    const char* mentions;  ///< what the message must say
};

void check_fault(const Fault& fault, const Limits& limits = {}) {
    CAPTURE(fault.what);
    const Outcome outcome = run(fault.program, fault.arguments, limits);
    INFO(outcome.err);
    CHECK(outcome.status == fault.status);
    CHECK(error_code(outcome.err) == fault.code);
    CHECK(outcome.err.find(fault.mentions) != std::string::npos);
    CHECK(well_formed_error(outcome.err));
}

}  // namespace

TEST_CASE("wrong inputs to train_cvt are refused before anything is made") {
    const TempFolder folder, work;
    write(folder / "file", "I am a file");
    write(folder / "typo.toml", "[optim]\nlr = 1e-3\nmomentun = 0.9\n");
    write(folder / "type.toml", "[train]\n\nepochs = \"ten\"\n");
    write(folder / "broken.toml", "[optim\nlr = 1e-3\n");
    fs::create_directories(folder.path / "used");
    write(folder / "used/thesis.txt", "mine");
    fs::create_directories(folder.path / "empty");
    write_striped_digits(folder.path / "few", 20, 10);
    write_striped_digits(folder.path / "cut", 20, 10);
    truncate(folder / "cut/train-images-idx3-ubyte", 500);

    const std::string d = data();
    const Fault faults[] = {
        {"no such data", "train_cvt", {"--data", "/nowhere"}, 3, "D01", "/nowhere"},
        {"a folder without data",
         "train_cvt",
         {"--data", folder / "empty"},
         3,
         "D02",
         "train-images"},
        {"truncated data",
         "train_cvt",
         {"--data", folder / "cut", "--batch", "10"},
         3,
         "D05",
         "train-images"},
        {"unknown flag", "train_cvt", {"--data", d, "--epoch", "3"}, 2, "C01", "--epochs"},
        {"misspelt flag", "train_cvt", {"--data", d, "--bacth", "3"}, 2, "C01", "--batch"},
        {"stray argument", "train_cvt", {"--data", d, "fast"}, 2, "C01", "fast"},
        {"no number", "train_cvt", {"--data", d, "--lr", "fast"}, 2, "C03", "fast"},
        {"out of range", "train_cvt", {"--data", d, "--lr", "-1"}, 2, "C04", "--lr"},
        {"typo in a recipe",
         "train_cvt",
         {"--data", d, "--config", folder / "typo.toml"},
         2,
         "C02",
         "typo.toml:3"},
        {"wrong type in a recipe",
         "train_cvt",
         {"--data", d, "--config", folder / "type.toml"},
         2,
         "C03",
         "type.toml:3"},
        {"a recipe that is no TOML",
         "train_cvt",
         {"--data", d, "--config", folder / "broken.toml"},
         2,
         "C06",
         "broken.toml"},
        {"no such recipe", "train_cvt", {"--data", d, "--config", "cvt_82"}, 2, "C05", "cvt_28"},
        {"no such model", "train_cvt", {"--data", d, "--model", "cvt_82"}, 2, "C20", "cvt_28"},
        {"no such device", "train_cvt", {"--data", d, "--device", "gpu"}, 2, "C21", "gpu"},
        {"no CUDA in this build",
         "train_cvt",
         {"--data", d, "--device", "cuda:0"},
         2,
         "G01",
         "--device cpu"},
        {"a batch larger than the data",
         "train_cvt",
         {"--data", folder / "few", "--batch", "21"},
         2,
         "C03",
         "batch"},
        {"more batches a step than there are",
         "train_cvt",
         {"--data", folder / "few", "--batch", "10", "--accum", "3"},
         2,
         "C09",
         "--accum 2"},
        {"fewer outputs than classes",
         "train_cvt",
         {"--data", d, "--set", "model.num_classes=5"},
         2,
         "C09",
         "num_classes"},
        {"mean without its deviation",
         "train_cvt",
         {"--data", d, "--set", "data.mean=0.5"},
         2,
         "C09",
         "data.mean"},
        {"too many means",
         "train_cvt",
         {"--data", d, "--set", "data.mean=0.5,0.5", "--set", "data.std=0.5,0.5"},
         2,
         "C09",
         "data.mean"},
        {"the output is a file",
         "train_cvt",
         {"--data", d, "--out", folder / "file"},
         2,
         "C12",
         "file"},
        {"the output is in use",
         "train_cvt",
         {"--data", d, "--out", folder / "used"},
         2,
         "C12",
         "not empty"},
        {"resume of nothing", "train_cvt", {"--resume", folder / "none"}, 2, "C13", "none"},
        {"resume of another folder",
         "train_cvt",
         {"--resume", folder / "used"},
         2,
         "C13",
         "config.toml"},
        {"fork of nothing", "train_cvt", {"--data", d, "--fork"}, 2, "C11", "--resume"},
        {"resume and quick",
         "train_cvt",
         {"--resume", folder / "none", "--quick"},
         2,
         "C11",
         "--quick"},
    };
    Limits there;
    there.folder = work.path.string();
    for (const Fault& fault : faults) {
        check_fault(fault, there);
        CHECK(fs::is_empty(work.path));  // no run folder
    }
    CHECK(read(folder / "used/thesis.txt") == "mine");
    CHECK(read(folder / "file") == "I am a file");
}

TEST_CASE("wrong inputs to evaluate and predict") {
    const TempFolder folder;
    const std::string run = folder / "run";
    train(short_run(run, {"--max-steps", "1"}));
    write(folder / "picture.png", "not a picture");
    fs::create_directories(folder.path / "empty");
    write(folder / "file", "");
    const Fault faults[] = {
        {"nothing given", "evaluate", {}, 2, "C10", "RUN"},
        {"no such run", "evaluate", {folder / "none"}, 2, "C13", "none"},
        {"a file as a run", "evaluate", {folder / "file"}, 2, "C13", "file"},
        {"no such split", "evaluate", {run, "--split", "train"}, 2, "C04", "test|val"},
        {"no held-out images", "evaluate", {run, "--split", "val"}, 2, "C23", "--split test"},
        {"the output is a file", "evaluate", {run, "--out", folder / "file"}, 7, "F01", "file"},
        {"no pictures given", "predict", {run}, 2, "C10", "FILES"},
        {"no such picture", "predict", {run, folder / "none.png"}, 3, "D11", "none.png"},
        {"a text as a picture", "predict", {run, folder / "picture.png"}, 3, "D11", "picture.png"},
        {"a folder without pictures", "predict", {run, folder / "empty"}, 3, "D09", "empty"},
        {"no classes wanted",
         "predict",
         {run, folder / "picture.png", "--topk", "0"},
         2,
         "C04",
         "--topk"},
        {"no such format",
         "predict",
         {run, folder / "picture.png", "--format", "xml"},
         2,
         "C04",
         "json"},
    };
    for (const Fault& fault : faults) check_fault(fault);
}

TEST_CASE("a dry run announces the run and makes nothing") {
    const TempFolder folder;
    Limits there;
    there.folder = folder.path.string();
    const Outcome outcome =
        run("train_cvt",
            {"--data", data(), "--config", "cvt_tiny", "--batch", "20", "--epochs", "3", "--warmup",
             "1", "--lr", "2e-3", "--threads", "1", "--dry-run"},
            there);
    REQUIRE(outcome.status == 0);
    for (const char* part :
         {"device ", "1 threads", "600 training images", "100 test images", "cvt_tiny",
          "38266 parameters", "28x28x1 -> 10 classes", "90 = 3 epochs of 30", "0.002 at step 31"}) {
        CAPTURE(part, outcome.out);
        CHECK(outcome.out.find(part) != std::string::npos);
    }
    CHECK(outcome.err.empty());
    CHECK(fs::is_empty(folder.path));
}

TEST_CASE("a loss that is not finite stops the run before the update") {
    const TempFolder folder;
    const std::string run = folder / "run";
    // Pixels beyond single precision: the first loss is not a number.
    const Outcome outcome = ::test::run(
        "train_cvt", short_run(run, {"--set", "data.mean=0.5", "--set", "data.std=1e-42"}));
    CHECK(outcome.status == 6);
    CHECK(error_code(outcome.err) == "N01");
    CHECK(outcome.err.find("step 1 ") != std::string::npos);
    CHECK(well_formed_error(outcome.err));
    const auto dump = fovea::SafetensorsFile::open(run + "/nan_dump.safetensors");
    REQUIRE(dump.find("images") != nullptr);
    CHECK(dump.find("images")->shape == fovea::Shape{20, 28, 28, 1});
    CHECK(dump.find("labels")->shape == fovea::Shape{20});
    CHECK_FALSE(fs::exists(run + "/model.safetensors"));
    CHECK(fs::is_empty(fs::path(run) / "checkpoints"));
}

TEST_CASE("a run that diverges keeps finite checkpoints, and diverges again in the same step") {
    const TempFolder folder;
    const std::string run = folder / "run";
    // Weight decay of 10 a step: weights change sign and grow ninefold, each step.
    Arguments arguments = short_run(
        run, {"--lr", "1", "--wd", "10", "--clip", "0", "--sched", "constant", "--batch", "200"});
    const auto set = [&](const char* flag, const char* value) {
        *(std::find(arguments.begin(), arguments.end(), flag) + 1) = value;
    };
    set("--epochs", "30");
    set("--warmup", "0");
    const Outcome outcome = ::test::run("train_cvt", arguments);
    INFO(outcome.err);
    CHECK(outcome.status == 6);
    CHECK(error_code(outcome.err).at(0) == 'N');
    const auto saved = fovea::load_newest_checkpoint(run + "/checkpoints").checkpoint;
    CHECK(saved.step >= 3);
    for (const fovea::NamedTensor& t : saved.tensors) {
        CAPTURE(t.name);
        CHECK_FALSE(fovea::first_nonfinite(t.dtype, t.bytes).has_value());
    }
    const Outcome again = ::test::run("train_cvt", {"--resume", run});
    CHECK(again.status == 6);
    CHECK(again.err == outcome.err);
}
