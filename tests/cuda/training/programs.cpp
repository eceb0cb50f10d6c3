// train_cvt on a CUDA device against the same program on the CPU: losses, mixed precision, and
// checkpoints that change the device.
#include "tests/training/programs.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>

#include "apps/common/csv_table.h"

namespace {

const std::string kTrain = FOVEA_BINARY_DIR "/tests/train_cvt_cuda";

/// 48 training and 8 test pictures: the emulator takes its time.
const std::string& few_pictures() {
    static const test::TempFolder folder;
    static const std::string path = [] {
        test::write_striped_digits(folder.path, 48, 8);
        return folder.path.string();
    }();
    return path;
}

void train(const std::string& out, const test::Arguments& more) {
    test::Arguments arguments = {
        "--data", few_pictures(), "--config", "cvt_tiny",  "--batch", "8",     "--epochs",
        "2",      "--warmup",     "0.5",      "--threads", "1",       "--out", out};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const test::Outcome outcome = test::run(kTrain, arguments);
    INFO(outcome.err);
    REQUIRE(outcome.status == 0);
}

std::vector<double> losses(const std::string& run) {
    const fovea::apps::CsvTable table = fovea::apps::read_csv(run + "/steps.csv");
    std::vector<double> values;
    for (std::size_t row = 0; row < table.rows.size(); ++row)
        values.push_back(table.number(row, "loss"));
    return values;
}

double largest_difference(const std::vector<double>& a, const std::vector<double>& b) {
    REQUIRE(a.size() == b.size());
    double worst = 0.0;
    for (std::size_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::abs(a[i] - b[i]));
    return worst;
}

}  // namespace

TEST_CASE("five steps on a CUDA device have the CPU's losses") {
    const test::TempFolder folder;
    train(folder / "cpu", {"--device", "cpu", "--max-steps", "5"});
    train(folder / "cuda", {"--device", "cuda:0", "--amp", "off", "--max-steps", "5"});
    train(folder / "bf16", {"--device", "cuda:0", "--amp", "bf16", "--max-steps", "5"});
    const std::vector<double> cpu = losses(folder / "cpu");
    REQUIRE(cpu.size() == 5);
    CHECK(largest_difference(cpu, losses(folder / "cuda")) < 1e-4);
    // BF16 holds three digits; a loss is a mean over a batch of eight.
    const double bf16 = largest_difference(cpu, losses(folder / "bf16"));
    CHECK(bf16 < 3e-2);
    CHECK(bf16 > 1e-6);  // or it was not BF16
}

TEST_CASE("a run begun on one device goes on on the other") {
    const test::TempFolder folder;
    train(folder / "cpu", {"--device", "cpu", "--amp", "off", "--max-steps", "4"});
    train(folder / "up", {"--device", "cpu", "--amp", "off", "--max-steps", "2"});
    train(folder / "down", {"--device", "cuda:0", "--amp", "off", "--max-steps", "2"});
    const auto go_on = [](const std::string& run, const std::string& device) {
        const test::Outcome outcome =
            test::run(kTrain, {"--resume", run, "--device", device, "--max-steps", "4"});
        INFO(outcome.err);
        REQUIRE(outcome.status == 0);
    };
    go_on(folder / "up", "cuda:0");
    go_on(folder / "down", "cpu");
    const std::vector<double> whole = losses(folder / "cpu");
    REQUIRE(whole.size() == 4);
    CHECK(largest_difference(whole, losses(folder / "up")) < 1e-4);
    CHECK(largest_difference(whole, losses(folder / "down")) < 1e-4);
}

TEST_CASE("doctor tests the device") {
    const test::Outcome outcome = test::run(FOVEA_BINARY_DIR "/tests/doctor_cuda", {});
    INFO(outcome.out);
    CHECK(outcome.status == 0);
    CHECK(outcome.out.find("cuda:0 fp32: ok") != std::string::npos);
    CHECK(outcome.out.find("cuda:0 bf16: ok") != std::string::npos);
}

// What a machine without a usable GPU gets. The emulator plays an old GPU; NVIDIA's own runtime, which
// the program finds when the emulator is out of sight, has no driver.
TEST_CASE("no usable GPU: one line, and the CPU only where auto was asked for") {
    const char* emulator = std::getenv("LD_LIBRARY_PATH");
    if (emulator == nullptr || std::string(emulator).find("cudaemu") == std::string::npos)
        return;  // on a GPU there is nothing to refuse
    const std::string path = emulator;
    const test::TempFolder folder;
    const auto start = [&](const std::string& device) {
        return test::run(kTrain, {"--data", few_pictures(), "--config", "cvt_tiny", "--batch", "8",
                                  "--device", device, "--dry-run", "--out", folder / "run"});
    };
    const auto check = [&](const std::string& code, const std::string& why) {
        const test::Outcome refused = start("cuda:0");
        CHECK(refused.status == 2);
        CHECK(refused.err.find("error[" + code + "] " + why) != std::string::npos);
        const test::Outcome by_cpu = start("auto");
        CHECK(by_cpu.status == 0);
        CHECK((by_cpu.out + by_cpu.err).find("(" + why) != std::string::npos);
    };
    {
        INFO("an old GPU");
        setenv("CUDAEMU_CC", "75", 1);
        setenv("CUDAEMU_CHECK_FATAL", "0", 1);
        check("G02", "GPU is sm_75; this build has ");
        unsetenv("CUDAEMU_CC");
        setenv("CUDAEMU_CHECK_FATAL", "1", 1);
    }
    {
        INFO("no driver");
        unsetenv("LD_LIBRARY_PATH");
        check("G01", "no NVIDIA driver is installed");
        setenv("LD_LIBRARY_PATH", path.c_str(), 1);
    }
}
