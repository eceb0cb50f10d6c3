// What the programs say about a finished run: evaluate repeats its scores, predict names pictures.
#include <catch2/catch.hpp>
#include <cmath>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "apps/common/csv_table.h"
#include "core/serialize/safetensors.h"
#include "tests/training/programs.h"

using namespace test;
namespace fs = std::filesystem;

namespace {

/// A finished run, with averaged weights and the best of the epochs.
const std::string& finished() {
    static const TempFolder folder;
    static const std::string run = folder / "run";
    if (!fs::exists(run)) train(short_run(run, {"--ema", "0.9", "--val-split", "0.2"}));
    return run;
}

void copy_run(const std::string& to) { fs::copy(finished(), to, fs::copy_options::recursive); }

/// A grey picture of the kind that `label` marks.
void write_picture(const std::string& file, int label) {
    std::string bytes = "P5\n28 28\n255\n";
    for (int y = 0; y < 28; ++y)
        for (int x = 0; x < 28; ++x)
            bytes += static_cast<char>((x / 3) % 10 == label || (y / 3) % 10 == label ? 220 : 40);
    write(file, bytes);
}

/// model.safetensors again, with one number of `tensor` replaced by NaN.
void poison(const std::string& run, const std::string& tensor) {
    const std::string file = run + "/model.safetensors";
    const auto open = fovea::SafetensorsFile::open(file);
    const fovea::TensorInfo& info = *open.find(tensor);
    const std::uint64_t data = fs::file_size(file) - open.tensors().back().end;
    std::string bytes = read(file);
    const float nan = std::numeric_limits<float>::quiet_NaN();
    bytes.replace(data + info.begin, sizeof nan, reinterpret_cast<const char*>(&nan), sizeof nan);
    write(file, bytes);
}

}  // namespace

TEST_CASE("one batch can be learnt by heart") {
    const TempFolder folder;
    write_striped_digits(folder.path / "data", 20, 10);
    train({"--data",
           folder / "data",
           "--config",
           "cvt_tiny",
           "--batch",
           "20",
           "--epochs",
           "250",
           "--warmup",
           "5",
           "--lr",
           "5e-3",
           "--wd",
           "0",
           "--smoothing",
           "0",
           "--no-flip",
           "--pad",
           "0",
           "--erase",
           "0",
           "--set",
           "train.eval_every=1000",
           "--save-every",
           "1000",
           "--threads",
           "1",
           "--out",
           folder / "run"});
    const auto steps = fovea::apps::read_csv(folder / "run/steps.csv");
    REQUIRE(steps.rows.size() == 250);
    CHECK(steps.number(0, "loss") > 1.5);
    CHECK(steps.number(249, "loss") < 0.01);
}

TEST_CASE("a short run learns, and leaves a complete folder") {
    const TempFolder folder;
    Limits with_plots;
    with_plots.gnuplot = true;
    const std::string out = folder / "run";
    REQUIRE(run("train_cvt", short_run(out, {"--no-flip", "--pad", "0"}), with_plots).status == 0);
    const auto log = fovea::apps::read_csv(out + "/log.csv");
    REQUIRE(log.rows.size() == 3);
    CHECK(log.number(2, "train_loss") < log.number(0, "train_loss"));
    CHECK(log.number(2, "eval_top1") > 50.0);
    CHECK(log.number(2, "nonfinite") == 0.0);
    for (const char* file :
         {"config.toml", "env.json", "train.log", "config.json", "model.safetensors",
          "eval/metrics.json", "eval/per_class.csv", "eval/confusion.csv", "eval/predictions.csv",
          "plots/loss.svg", "plots/lr.svg", "report.html", "checkpoints/last.ckpt.safetensors"}) {
        CAPTURE(file);
        CHECK(fs::exists(out + "/" + file));
    }
    // The recipe that it leaves is the run.
    const std::string again = folder / "again";
    REQUIRE(run("train_cvt", {"--config", out + "/config.toml", "--out", again}).status == 0);
    CHECK(difference(again, out) == "");
}

TEST_CASE("evaluate repeats the scores of the run exactly") {
    const std::string before = read(finished() + "/eval/metrics.json");
    REQUIRE_FALSE(before.empty());
    const TempFolder folder;
    for (const char* batch_file : {"eval", "second"}) {
        const std::string out = folder / batch_file;
        const Outcome outcome = run("evaluate", {finished(), "--out", out});
        INFO(outcome.err);
        REQUIRE(outcome.status == 0);
        CHECK(outcome.out.find("top-1") != std::string::npos);
        for (const char* file :
             {"metrics.json", "predictions.csv", "per_class.csv", "confusion.csv"})
            CHECK(read(fs::path(out) / file) == read(finished() + "/eval/" + file));
    }
    const Outcome json = run("evaluate", {finished(), "--json", "--out", folder / "json"});
    REQUIRE(json.status == 0);
    const auto scores = nlohmann::json::parse(json.out);
    CHECK(scores == nlohmann::json::parse(before));
    // The held-out images are others than the test images.
    const Outcome held_out =
        run("evaluate", {finished(), "--split", "val", "--out", folder / "held_out"});
    REQUIRE(held_out.status == 0);
    CHECK(held_out.out.find("120 images") != std::string::npos);
}

TEST_CASE("predict names the five likeliest classes, in four formats") {
    const TempFolder folder;
    for (const int label : {2, 7})
        write_picture(folder / ("picture " + std::to_string(label) + ".pgm"), label);
    const auto predict = [&](const Arguments& more) {
        Arguments arguments = {finished(), folder.path.string()};
        arguments.insert(arguments.end(), more.begin(), more.end());
        const Outcome outcome = run("predict", arguments);
        INFO(outcome.err);
        REQUIRE(outcome.status == 0);
        return outcome.out;
    };
    const std::string text = predict({});
    CHECK(text.find("picture 2.pgm") < text.find("picture 7.pgm"));
    CHECK(std::count(text.begin(), text.end(), '%') == 10);

    const auto json = nlohmann::json::parse(predict({"--format", "json", "--topk", "10"}));
    REQUIRE(json.size() == 2);
    for (const auto& picture : json) {
        REQUIRE(picture["top"].size() == 10);
        double sum = 0.0, last = 1.0;
        for (const auto& guess : picture["top"]) {
            CHECK(guess["label"].get<std::string>().size() == 1);  // "0" ... "9"
            CHECK(guess["prob"].get<double>() <= last);
            last = guess["prob"];
            sum += last;
        }
        CHECK(sum == Approx(1.0).margin(1e-6));
    }
    CHECK(nlohmann::json::parse(predict({"--json", "--topk", "10"})) == json);
    const std::string lines = predict({"--format", "jsonl", "--topk", "1"});
    CHECK(std::count(lines.begin(), lines.end(), '\n') == 2);
    CHECK(nlohmann::json::parse(lines.substr(0, lines.find('\n')))["top"].size() == 1);
    // A flag takes one value, not the file behind it.
    const Outcome one = run("predict", {finished(), "--topk", "1", folder / "picture 2.pgm"});
    CHECK(one.status == 0);
    CHECK(std::count(one.out.begin(), one.out.end(), '%') == 1);
    const auto table = fovea::apps::parse_csv(predict({"--format", "csv"}));
    REQUIRE(table.rows.size() == 2);
    CHECK(table.text(0, "pred") == json[0]["top"][0]["label"]);
    CHECK(table.number(1, "prob") == Approx(json[1]["top"][0]["prob"].get<double>()));
}

TEST_CASE("train_cvt --json prints the scores and nothing else") {
    const TempFolder folder;
    const Outcome outcome =
        train(short_run(folder / "run", {"--epochs", "1", "--max-steps", "1", "--json"}));
    std::ifstream file(folder / "run/eval/metrics.json");
    CHECK(nlohmann::json::parse(outcome.out) == nlohmann::json::parse(file));
    CHECK(outcome.err.find("epoch") != std::string::npos);
}

TEST_CASE("evaluate and predict refuse damaged weights") {
    struct {
        const char *what, *code;
        int status;
    } const cases[] = {{"truncated", "K02", 4},  {"pickle", "K01", 4},       {"missing", "K18", 4},
                       {"not finite", "N02", 6}, {"another model", "K0", 4}, {"no card", "K19", 4}};
    for (const auto& c : cases) {
        CAPTURE(c.what);
        const TempFolder folder;
        const std::string broken = folder / "run", model = broken + "/model.safetensors";
        copy_run(broken);
        const std::string what = c.what;
        if (what == "truncated") truncate(model, fs::file_size(model) - 1000);
        if (what == "pickle") write(model, std::string("PK\3\4") + std::string(100, '\0'));
        if (what == "missing") fs::remove(model);
        if (what == "not finite") poison(broken, "norm.weight");
        if (what == "no card") write(broken + "/config.json", "{");
        if (what == "another model") {
            std::string config = read(broken + "/config.toml");
            config.replace(config.find("\"cvt_tiny\""), 10, "\"cvt_28\"");
            write(broken + "/config.toml", config);
        }
        for (const char* program : {"evaluate", "predict"}) {
            CAPTURE(program);
            Arguments arguments = {broken};
            if (program == std::string("predict")) arguments.push_back(data());
            const Outcome outcome = run(program, arguments);
            INFO(outcome.err);
            CHECK(outcome.status == c.status);
            CHECK(error_code(outcome.err).rfind(c.code, 0) == 0);
            CHECK(well_formed_error(outcome.err));
        }
    }
}
