// A run that was stopped, killed or told to save ends with the same bits as one that was left alone.
#include <signal.h>

#include <catch2/catch.hpp>

#include "core/serialize/checkpoint.h"
#include "tests/training/programs.h"

using namespace test;
namespace fs = std::filesystem;

namespace {

// Everything that has a state or draws random numbers, at once. 600 images, 20 % held out:
// 24 batches, so 12 steps an epoch.
const Arguments kEverything = {"--accum",
                               "2",
                               "--ema",
                               "0.9",
                               "--dropout",
                               "0.1",
                               "--flip",
                               "--pad",
                               "2",
                               "--erase",
                               "0.5",
                               "--drop-path",
                               "0.2",
                               "--val-split",
                               "0.2",
                               "--set",
                               "augment.erase_mode=pixel"};

Arguments joined(Arguments a, const Arguments& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

/// The run that nobody disturbed.
const std::string& undisturbed() {
    static const TempFolder folder;
    static const std::string run = folder / "run";
    if (!fs::exists(run)) train(short_run(run));
    return run;
}

int steps_logged(const std::string& run) { return rows(fs::path(run) / "steps.csv"); }
bool saved(const std::string& run) {
    return fs::exists(fs::path(run) / "checkpoints" / fovea::kLastCheckpoint);
}

}  // namespace

TEST_CASE("a run stopped after any number of steps goes on with the same bits") {
    // 30 steps an epoch: in its middle, before its last step, at its edge, and just behind.
    for (const char* steps : {"7", "29", "30", "31"}) {
        CAPTURE(steps);
        const TempFolder folder;
        const std::string run = folder / "run";
        train(short_run(run, {"--max-steps", steps}));
        CHECK(steps_logged(run) == std::stoi(steps));
        CHECK(rows(fs::path(run) / "log.csv") == (std::stoi(steps) >= 30 ? 1 : 0));
        resume(run, {"--max-steps", "0"});
        CHECK(difference(run, undisturbed()) == "");
    }
}

TEST_CASE("so does one with accumulation, averages, dropout, augmentation and held-out images") {
    const TempFolder folder;
    const std::string whole = folder / "whole";
    train(short_run(whole, kEverything));
    CHECK(steps_logged(whole) == 36);
    for (const char* steps : {"5", "12", "20"}) {
        CAPTURE(steps);
        const std::string run = folder / (std::string("run") + steps);
        train(short_run(run, joined(kEverything, {"--max-steps", steps})));
        resume(run, {"--max-steps", "0"});
        CHECK(difference(run, whole) == "");
        CHECK(read(run + "/checkpoints/best.ckpt.safetensors") ==
              read(whole + "/checkpoints/best.ckpt.safetensors"));
    }
}

TEST_CASE("so does one with two compute threads") {
    const TempFolder folder;
    const std::string whole = folder / "whole", run = folder / "run";
    const Arguments few = {"--threads", "2", "--epochs", "1"};
    train(short_run(whole, few));
    train(short_run(run, joined(few, {"--max-steps", "7"})));
    resume(run, {"--max-steps", "0"});
    CHECK(difference(run, whole) == "");
}

TEST_CASE("signals stop after the step, save, say how to go on, and lose nothing") {
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
        CAPTURE(signal);
        const TempFolder folder;
        const std::string run = folder / "run";
        Process process("train_cvt", short_run(run));
        REQUIRE(wait_until(process, [&] { return steps_logged(run) >= 4; }));
        process.send(signal);
        const Outcome outcome = process.wait();
        CHECK(outcome.status == 128 + signal);
        CHECK(outcome.out.find("--resume " + run) != std::string::npos);
        CHECK(outcome.err.find("error[") == std::string::npos);
        CHECK(steps_logged(run) < 90);
        CHECK_FALSE(fs::exists(run + "/model.safetensors"));
        resume(run);
        CHECK(difference(run, undisturbed()) == "");
    }
}

TEST_CASE("SIGUSR1 saves and goes on") {
    const TempFolder folder;
    const std::string run = folder / "run";
    Process process("train_cvt", short_run(run));
    REQUIRE(wait_until(process, [&] { return steps_logged(run) >= 4; }));
    REQUIRE_FALSE(saved(run));
    process.send(SIGUSR1);
    REQUIRE(wait_until(process, [&] { return saved(run); }));
    const auto step = fovea::load_checkpoint(run + "/checkpoints/" + fovea::kLastCheckpoint).step;
    CHECK(step >= 4);
    CHECK(step <= 30);
    CHECK(process.wait().status == 0);
    CHECK(difference(run, undisturbed()) == "");
}

TEST_CASE("a run killed again and again ends with the same bits") {
    const TempFolder folder;
    const std::string run = folder / "run";
    int kills = 0;
    for (const int steps : {33, 47, 61, 75}) {
        CAPTURE(steps);
        Process process("train_cvt", kills == 0 ? short_run(run) : Arguments{"--resume", run});
        // With the steps logged in this life: after a kill the log is ahead of the checkpoint.
        if (wait_until(process, [&] { return saved(run) && steps_logged(run) >= steps; }) &&
            process.running()) {
            process.send(SIGKILL);
            CHECK(process.wait().status == 128 + SIGKILL);
            ++kills;
        }
    }
    CHECK(kills >= 2);
    // What the kill left half done: an unfinished line, a temporary of a dead process.
    write(run + "/steps.csv", read(run + "/steps.csv") + "77,3,0.");
    write(run + "/checkpoints/last.ckpt.safetensors.tmp.4999999", "half");
    resume(run);
    CHECK(difference(run, undisturbed()) == "");
    CHECK_FALSE(fs::exists(run + "/checkpoints/last.ckpt.safetensors.tmp.4999999"));
}

TEST_CASE("loader threads have no influence") {
    for (const char* threads : {"0", "1", "4"}) {
        CAPTURE(threads);
        const TempFolder folder;
        train(short_run(folder / "run", {"--loader-threads", threads}));
        // The number itself stands in the checkpoint's recipe.
        const std::string what = difference(folder / "run", undisturbed());
        CHECK(what == "checkpoints/last.ckpt.safetensors");
        CHECK(repeatable_log(folder / "run") == repeatable_log(undisturbed()));
    }
}

TEST_CASE("a run goes on only as it began, or as a fork") {
    const TempFolder folder;
    const std::string run = folder / "run", fork = folder / "fork";
    train(short_run(run, {"--max-steps", "5"}));
    const std::string config = read(run + "/config.toml");
    CHECK(config.find("threads = 1 ") != std::string::npos);

    const Outcome threads = ::test::run("train_cvt", {"--resume", run, "--threads", "2"});
    CHECK(threads.status == 2);
    CHECK(error_code(threads.err) == "C22");
    CHECK(threads.err.find("--threads 1") != std::string::npos);
    CHECK(well_formed_error(threads.err));
    const Outcome rate = ::test::run("train_cvt", {"--resume", run, "--lr", "1e-4"});
    CHECK(rate.status == 2);
    CHECK(error_code(rate.err) == "C08");
    CHECK(rate.err.find("optim.lr") != std::string::npos);
    // Not by editing the run's own recipe either.
    std::string edited = config;
    edited.replace(edited.find("epochs = 3"), 10, "epochs = 4");
    write(run + "/config.toml", edited);
    CHECK(error_code(::test::run("train_cvt", {"--resume", run}).err) == "C08");
    write(run + "/config.toml", config);
    CHECK(steps_logged(run) == 5);

    resume(run, {"--fork", "--out", fork, "--threads", "2", "--lr", "1e-4", "--max-steps", "8"});
    CHECK(steps_logged(fork) == 3);
    CHECK(steps_logged(run) == 5);
    CHECK(read(run + "/config.toml") == config);
}

TEST_CASE("--resume alone takes the newest run") {
    const TempFolder folder;
    const auto here = [&](const Arguments& arguments) {
        Limits limits;
        limits.folder = folder.path.string();
        return ::test::run("train_cvt", arguments, limits);
    };
    const Outcome nothing = here({"--resume"});
    CHECK(nothing.status == 2);
    CHECK(error_code(nothing.err) == "C13");
    CHECK(here(short_run("runs/older", {"--max-steps", "2"})).status == 0);
    CHECK(here(short_run("runs/newer", {"--max-steps", "3"})).status == 0);
    CHECK(here({"--resume", "--max-steps", "4"}).status == 0);
    CHECK(steps_logged(folder / "runs/older") == 2);
    CHECK(steps_logged(folder / "runs/newer") == 4);
}

TEST_CASE("a damaged checkpoint: the one before is taken, with a warning") {
    const TempFolder folder;
    const std::string run = folder / "run";
    train(short_run(run, {"--max-steps", "35"}));  // saves at steps 30 and 35
    const fs::path last = fs::path(run) / "checkpoints" / fovea::kLastCheckpoint,
                   prev = fs::path(run) / "checkpoints" / fovea::kPreviousCheckpoint;
    truncate(last, fs::file_size(last) / 2);
    const Outcome outcome = resume(run, {"--max-steps", "0"});
    CHECK(outcome.err.find("warning") != std::string::npos);
    CHECK(outcome.out.find("resume   step 30") != std::string::npos);
    CHECK(difference(run, undisturbed()) == "");

    truncate(last, 100);
    flip_bit(prev, fs::file_size(prev) - 5);
    const Outcome neither = ::test::run("train_cvt", {"--resume", run});
    CHECK(neither.status == 4);
    CHECK(error_code(neither.err) == "K16");
    CHECK(well_formed_error(neither.err));
}

TEST_CASE("no space for a checkpoint: status 7, and the one before is still good") {
    const TempFolder folder;
    const std::string run = folder / "run";
    train(short_run(run, {"--max-steps", "5"}));
    Limits full;
    full.file_bytes = 100'000;  // logs fit, a checkpoint does not
    const Outcome outcome = ::test::run("train_cvt", {"--resume", run, "--max-steps", "0"}, full);
    CHECK(outcome.status == 7);
    CHECK(error_code(outcome.err) == "F02");
    CHECK(well_formed_error(outcome.err));
    CHECK(fovea::load_newest_checkpoint(run + "/checkpoints").checkpoint.step == 5);
    resume(run, {"--max-steps", "0"});
    CHECK(difference(run, undisturbed()) == "");
}
