#include "apps/common/flags.h"

#include <catch2/catch.hpp>

#include "apps/common/device.h"
#include "apps/common/run_folder.h"
#include "core/error.h"
#include "tests/apps_common/temp_folder.h"

using namespace fovea;
using namespace fovea::apps;

namespace {

const AppSpec kTrain{.name = "train_cvt",
                     .summary = "Train.",
                     .training = true,
                     .default_recipe = "cvt_28",
                     .positionals = {},
                     .own_flags = {},
                     .examples = {}};

const AppSpec kPredict{
    .name = "predict",
    .summary = "Predict.",
    .training = false,
    .default_recipe = "",
    .positionals = {{"RUN", "run folder", Arity::One}, {"FILES", "pictures", Arity::AtLeastOne}},
    .own_flags = {{"--topk", "N", "how many", "5"},
                  {"--format", "csv|json", "format", "csv"},
                  {"--tta", "", "flip too", ""}},
    .examples = {}};

Flags parse(const AppSpec& app, std::vector<const char*> arguments) {
    arguments.insert(arguments.begin(), app.name.c_str());
    return *parse_flags(static_cast<int>(arguments.size()), arguments.data(), app);
}

Error error_of(const AppSpec& app, std::vector<const char*> arguments) {
    try {
        parse(app, std::move(arguments));
    } catch (const Error& error) {
        CHECK(static_cast<int>(error.exit()) == 2);
        CHECK_FALSE(error.attempt().empty());
        return error;
    }
    return Error("none", "accepted");
}

}  // namespace

TEST_CASE("flags of a training program") {
    const Flags flags = parse(kTrain, {"--lr", "2e-3", "--batch=64", "--set", "optim.beta1=0.8",
                                       "--flip", "--quiet", "--seed", "7", "--lr", "3e-3"});
    CHECK(flags.config.get<double>("optim.lr") == 3e-3);  // the last one
    CHECK(flags.config.get<int>("train.batch") == 64);
    CHECK(flags.config.get<double>("optim.beta1") == 0.8);
    CHECK(flags.config.get<bool>("augment.flip"));
    CHECK(flags.quiet);
    CHECK(flags.seed == 7);
    CHECK(flags.recipe == "cvt_28");
    CHECK(parse(kTrain, {"--no-flip"}).config.get<bool>("augment.flip") == false);
    CHECK(parse(kTrain, {"--quick"}).config.get<int>("train.epochs") < 5);
    CHECK(parse(kTrain, {"--quick", "--epochs", "3"}).config.get<int>("train.epochs") == 3);
}

TEST_CASE("wrong flags: one code, one place, one suggestion") {
    const auto check = [](const AppSpec& app, std::vector<const char*> arguments,
                          const std::string& code, const std::string& attempt) {
        const Error error = error_of(app, arguments);
        CAPTURE(arguments.front());
        CHECK(error.code() == code);
        CHECK(error.attempt() == attempt);
    };
    check(kTrain, {"--epoch", "3"}, "C01", "--epochs");
    check(kTrain, {"--smooth", "3"}, "C01", "--smoothing");
    check(kTrain, {"--bacth=3"}, "C01", "--batch");
    check(kTrain, {"--optim.lr", "3"}, "C01", "--set optim.lr=VALUE");
    check(kPredict, {"run", "a.png", "--topc", "3"}, "C01", "--topk");
    check(kPredict, {"run", "a.png", "--format", "xml"}, "C04", "--format csv");
    CHECK(error_of(kTrain, {"stray"}).code() == "C01");
    CHECK(error_of(kTrain, {"--zzzzzzzz"}).code() == "C01");
    CHECK(error_of(kTrain, {"--lr"}).code() == "C03");
    CHECK(error_of(kTrain, {"--lr", "fast"}).code() == "C03");
    CHECK(error_of(kTrain, {"--lr", "-1"}).code() == "C04");
    CHECK(error_of(kTrain, {"--config", "no_such"}).code() == "C05");
    CHECK(error_of(kTrain, {"--config", "cvt_28_quik"}).attempt() == "cvt_28_quick");
    CHECK(error_of(kTrain, {"--fork"}).code() == "C11");
    CHECK(error_of(kTrain, {"--resume", "/no/such/run"}).code() == "C13");
    CHECK(error_of(kPredict, {"--topk", "3"}).code() == "C10");
    CHECK(error_of(kPredict, {"run"}).code() == "C10");
    CHECK(error_of(kPredict, {"run", "x", "--threads", "-3"}).code() == "C04");
}

TEST_CASE("a device is what its name says, or an error") {
    CHECK(parse(kPredict, {"run", "x", "--device", "cuda:7"}).device == "cuda:7");
    CHECK(parse_device("cuda:7", "") == Device::cuda(7));
    CHECK(parse_device("cpu", "") == Device::cpu());
    CHECK(parse_device("reference", "") == Device::reference());
    CHECK_FALSE(parse_device("auto", "").has_value());
    CHECK(error_of(kTrain, {"--device", "cuda"}).attempt() == "cuda:0");
    // Numbers that wrap around in 32 or 64 bits would be cuda:0 or cuda:-1.
    for (const char* name :
         {"gpu", "cuda", "cuda:", "cuda:-1", "cuda:+1", "cuda:1x", "cuda: 1", "cuda:65536",
          "cuda:4294967296", "cuda:99999999999999999999", "CPU", "cpu "}) {
        CAPTURE(name);
        CHECK(error_of(kTrain, {"--device", name}).code() == "C21");
        CHECK(error_of(kPredict, {"run", "x", "--device", name}).code() == "C21");
    }
    CHECK(error_of(kTrain, {"--set", "train.device=gpu"}).code() == "C21");
}

TEST_CASE("a program that computes on no device of the user's choice has no --device") {
    AppSpec list = kPredict;
    list.computes = false;
    CHECK(error_of(list, {"run", "x", "--device", "cuda:7"}).code() == "C01");
    CHECK(help_text(list, false).find("--device") == std::string::npos);
    CHECK(help_text(kPredict, false).find("--device") != std::string::npos);
    CHECK(parse(list, {"run", "x", "--threads", "2"}).threads == 2);
}

TEST_CASE("positionals and own flags") {
    const Flags flags = parse(kPredict, {"run", "a.png", "b.png", "--topk", "3", "--tta"});
    CHECK(flags.one("RUN") == "run");
    CHECK(flags.all("FILES") == std::vector<std::string>{"a.png", "b.png"});
    CHECK(flags.integer("--topk") == 3);
    CHECK(flags.on("--tta"));
    CHECK(flags.text("--format") == "csv");
    CHECK_FALSE(flags.given("--format"));
    const Flags wrong = parse(kPredict, {"run", "a.png", "--topk", "x"});
    CHECK_THROWS_AS(wrong.integer("--topk"), Error);
}

TEST_CASE("--resume takes the run's own settings") {
    test::TempFolder folder;
    const std::string dir = (folder.path / "run").string();
    const RunFolder run = RunFolder::create("m", 1, dir);
    Config config;
    config.set_text("train.batch", "33", "test");
    run.write_config(config.to_toml());
    const Flags flags = parse(kTrain, {"--resume", dir.c_str(), "--loader-threads", "1"});
    CHECK(flags.resume);
    CHECK(flags.resume_dir == dir);
    CHECK(flags.config.get<int>("train.batch") == 33);
    CHECK_NOTHROW(refuse_changes(config, flags.config));
    CHECK(parse(kTrain, {"--out", dir.c_str(), "--resume"}).resume_dir == dir);
}

TEST_CASE("help shows every flag, help-all every key, nothing wider than a terminal") {
    const std::string help = help_text(kTrain, false), all = help_text(kTrain, true);
    for (const KeySpec& spec : schema()) {
        if (spec.flag[0] != '\0') CHECK_THAT(help, Catch::Contains(std::string(spec.flag)));
        CHECK_THAT(all, Catch::Contains(std::string("  ") + spec.key));
    }
    std::size_t start = 0;
    for (std::size_t end = all.find('\n'); end != std::string::npos; end = all.find('\n', start)) {
        CHECK(end - start <= 100);
        start = end + 1;
    }
    CHECK_THAT(help_text(kPredict, false), Catch::Contains("predict [FLAGS] RUN FILES..."));
}

TEST_CASE("a command line can be pasted back into a shell") {
    CHECK(shell_line({"train", "--data", "/a b", "it's"}) == "train --data '/a b' 'it'\\''s'");
    CHECK(shell_line({"x", ""}) == "x ''");
}
