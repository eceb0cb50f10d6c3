#include "apps/common/run_folder.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "apps/common/env_info.h"
#include "core/error.h"
#include "tests/apps_common/temp_folder.h"

using namespace fovea;
using namespace fovea::apps;
namespace fs = std::filesystem;

namespace {

std::string code_of_create(const fs::path& out) {
    try {
        RunFolder::create("m", 1, out.string());
    } catch (const Error& error) {
        return error.code();
    }
    return "none";
}

}  // namespace

TEST_CASE("run folders get a name that nobody has, inside their root") {
    test::TempFolder folder;
    const RunFolder a = RunFolder::create("../../cvt 28", 42, "", folder.path);
    const RunFolder b = RunFolder::create("../../cvt 28", 42, "", folder.path);
    CHECK(a.path().parent_path() == folder.path);
    CHECK_THAT(a.path().filename().string(), Catch::EndsWith("_______cvt_28_s42"));
    CHECK(b.path() != a.path());
    for (const fs::path& sub : {a.checkpoints(), a.plots(), a.eval()}) CHECK(fs::is_directory(sub));
}

TEST_CASE("--out: empty, foreign, finished and never-saved folders") {
    test::TempFolder folder;
    const fs::path out = folder.path / "out";
    CHECK(code_of_create(out) == "none");
    test::write(out / "config.toml", "x");
    test::write(out / "steps.csv", "step\n");
    CHECK(code_of_create(out) == "none");  // it never saved a checkpoint
    CHECK_FALSE(fs::exists(out / "steps.csv"));
    test::write(out / "checkpoints" / "last.ckpt.safetensors", "x");
    CHECK(code_of_create(out) == "C12");
    const fs::path foreign = folder.path / "foreign";
    fs::create_directories(foreign);
    test::write(foreign / "thesis.tex", "x");
    CHECK(code_of_create(foreign) == "C12");
    CHECK(code_of_create(foreign / "thesis.tex") == "C12");
    CHECK(test::read(foreign / "thesis.tex") == "x");
}

TEST_CASE("open and newest") {
    test::TempFolder folder;
    CHECK_THROWS_AS(RunFolder::open(folder.path), Error);
    CHECK_THROWS_AS(RunFolder::newest(folder.path), Error);
    const RunFolder a = RunFolder::create("a", 1, "", folder.path);
    const RunFolder b = RunFolder::create("b", 1, "", folder.path);
    test::write(a.last_checkpoint(), "x");
    test::write(b.last_checkpoint(), "x");
    fs::last_write_time(b.last_checkpoint(),
                        fs::last_write_time(a.last_checkpoint()) - std::chrono::hours(1));
    CHECK(RunFolder::newest(folder.path) == a.path());
    a.write_config("[optim]\n");
    CHECK(RunFolder::open(a.path()).path() == a.path());
}

TEST_CASE("env.json is JSON, whatever the arguments are") {
    const auto json = nlohmann::json::parse(
        env_json({.command = {"train", "\xff\"\n"}, .device = "cpu", .threads = 2}));
    CHECK(json["device"] == "cpu");
    CHECK(json["threads"] == 2);
    CHECK(json["command"].size() == 2);
    CHECK_FALSE(json["cpu"].get<std::string>().empty());
    CHECK(resident_mib() > 0);
    CHECK(peak_resident_mib() >= resident_mib() / 2);
}
