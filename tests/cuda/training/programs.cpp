// The programs on a CUDA device against the same programs on the CPU: losses, mixed precision, checkpoints
// that change the device, scores and predictions; and a machine of two devices.
#include "tests/training/programs.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <sstream>

#include "apps/common/csv_table.h"
#include "core/serialize/safetensors.h"
#include "core/tensor.h"

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

bool in_emulator() {
    const char* path = std::getenv("LD_LIBRARY_PATH");
    return path != nullptr && std::string(path).find("cudaemu") != std::string::npos;
}

/// An environment variable, for as long as this lives; it had no value before.
struct Setting {
    const char* name;
    Setting(const char* variable, const char* value) : name(variable) { setenv(name, value, 1); }
    ~Setting() { unsetenv(name); }
    Setting(const Setting&) = delete;
    Setting& operator=(const Setting&) = delete;
};

/// A program of this build with CUDA, which must succeed; what it printed.
std::string output_of(const std::string& program, const test::Arguments& arguments) {
    const test::Outcome outcome =
        test::run(FOVEA_BINARY_DIR "/tests/" + program + "_cuda", arguments);
    INFO(program << ": " << outcome.err);
    REQUIRE(outcome.status == 0);
    return outcome.out;
}

/// A column of a CSV file whose cells are numbers, or lists of them: "0.5|0.25".
std::vector<double> numbers(const fovea::apps::CsvTable& table, const std::string& column) {
    std::vector<double> values;
    for (std::size_t row = 0; row < table.rows.size(); ++row) {
        std::istringstream cell(table.text(row, column));
        for (std::string part; std::getline(cell, part, '|');) values.push_back(std::stod(part));
    }
    return values;
}

/// A tensor of a safetensors file.
std::vector<double> values_of(const std::string& path, const std::string& tensor) {
    const auto file = fovea::SafetensorsFile::open(path);
    const fovea::TensorInfo* const info = file.find(tensor);
    REQUIRE(info != nullptr);
    const fovea::Tensor values = fovea::Tensor::empty(info->shape, info->dtype);
    file.read(*info, values.data());
    return values.to_vector();
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

TEST_CASE("evaluate and predict say on a CUDA device what they say on the CPU") {
    const test::TempFolder folder;
    const std::string run = folder / "run", cpu = folder / "on_cpu", cuda = folder / "on_cuda",
                      picture = folder / "picture.pgm";
    train(run, {"--device", "cpu", "--max-steps", "5"});
    const auto scores = [&](const std::string& device, const std::string& out) {
        return nlohmann::json::parse(
            output_of("evaluate", {run, "--device", device, "--out", out, "--json"}));
    };
    const nlohmann::json by_cpu = scores("cpu", cpu), by_cuda = scores("cuda:0", cuda);
    CHECK(by_cuda["n"] == 8);
    CHECK(by_cuda["top1"] == by_cpu["top1"]);
    CHECK(std::abs(by_cuda["loss"].get<double>() - by_cpu["loss"].get<double>()) < 1e-5);
    CHECK(by_cuda["loss"] != by_cpu["loss"]);  // or it was not the device
    CHECK(test::read(cuda + "/confusion.csv") == test::read(cpu + "/confusion.csv"));
    const auto predictions = [](const std::string& out) {
        return numbers(fovea::apps::read_csv(out + "/predictions.csv"), "top5_probs");
    };
    CHECK(predictions(cpu).size() == 5 * 8);
    CHECK(largest_difference(predictions(cpu), predictions(cuda)) < 1e-5);

    std::string bytes = "P5\n28 28\n255\n";
    for (int i = 0; i < 28 * 28; ++i) bytes += static_cast<char>(37 * i % 251);
    test::write(picture, bytes);
    const auto guesses = [&](const std::string& device) {
        const std::string file = folder / ("guesses_" + device + ".csv");
        test::write(file,
                    output_of("predict", {run, picture, "--device", device, "--format", "csv"}));
        return fovea::apps::read_csv(file);
    };
    const fovea::apps::CsvTable of_cpu = guesses("cpu"), of_cuda = guesses("cuda:0");
    REQUIRE(of_cuda.rows.size() == 1);
    CHECK(of_cuda.text(0, "top_labels") == of_cpu.text(0, "top_labels"));
    CHECK(numbers(of_cpu, "top_probs").size() == 5);
    CHECK(largest_difference(numbers(of_cpu, "top_probs"), numbers(of_cuda, "top_probs")) < 1e-5);
}

TEST_CASE("benchmark_models computes on a CUDA device what it computes on the CPU") {
    const test::TempFolder folder;
    const auto dumped = [&](const std::string& device, const char* tensor) {
        const std::string file = folder / (device + ".safetensors");
        output_of("benchmark_models", {"cvt_tiny", "--batch", "4", "--device", device, "--threads",
                                       "1", "--dump", file});
        return values_of(file, tensor);
    };
    for (const char* tensor : {"logits", "losses"}) {
        INFO(tensor);
        const std::vector<double> cpu = dumped("cpu", tensor), cuda = dumped("cuda:0", tensor);
        CHECK(largest_difference(cpu, cuda) < 1e-4);
        CHECK(largest_difference(cpu, cuda) > 0.0);  // or it was not the device
    }
}

// Each model is measured in a child process; CUDA does not survive a fork.
TEST_CASE("benchmark_models measures on a CUDA device") {
    const nlohmann::json rows = nlohmann::json::parse(
        output_of("benchmark_models", {"cvt_tiny", "--train", "--batch", "4", "--iters", "2",
                                       "--warmup", "1", "--device", "cuda:0", "--json"}));
    REQUIRE(rows.size() == 1);
    CHECK(rows[0]["train_samples_per_sec"].get<double>() > 0.0);
    CHECK(rows[0]["late_system_allocations"] == 0);
}

TEST_CASE("a second device computes what the first one does") {
    if (!in_emulator()) return;  // a machine need not have two GPUs
    const Setting two("CUDAEMU_DEVICES", "2");
    const test::TempFolder folder;
    for (const char* device : {"cuda:0", "cuda:1"})
        train(folder / device, {"--device", device, "--amp", "bf16", "--max-steps", "2"});
    CHECK(losses(folder / "cuda:0").size() == 2);
    CHECK(losses(folder / "cuda:0") == losses(folder / "cuda:1"));
    CHECK(test::read(folder / "cuda:0/model.safetensors") ==
          test::read(folder / "cuda:1/model.safetensors"));
    const std::string report = output_of("doctor", {});  // both in one process
    for (const char* line :
         {"cuda:0 fp32: ok", "cuda:0 bf16: ok", "cuda:1 fp32: ok", "cuda:1 bf16: ok"})
        CHECK(report.find(line) != std::string::npos);
    const test::Outcome third = test::run(kTrain, {"--data", few_pictures(), "--config", "cvt_tiny",
                                                   "--device", "cuda:2", "--dry-run"});
    CHECK(third.status == 2);
    CHECK(third.err.find("error[G02] there is no cuda:2; devices: cuda:0 to cuda:1") !=
          std::string::npos);
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
    if (!in_emulator()) return;  // on a GPU there is nothing to refuse
    const std::string path = std::getenv("LD_LIBRARY_PATH");
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
