#include "tests/training/programs.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <thread>

#include "apps/common/csv_log.h"
#include "apps/common/csv_table.h"
#include "kernels/include/philox.h"

namespace test {
namespace {

namespace fs = std::filesystem;

void redirect(const std::string& file, int target) {
    const int fd = open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (fd < 0 || dup2(fd, target) < 0) _exit(126);
    close(fd);
}

std::string big_endian(std::uint32_t value) {
    std::string bytes;
    for (int shift = 24; shift >= 0; shift -= 8)
        bytes += static_cast<char>((value >> shift) & 0xFF);
    return bytes;
}

void write_split(const fs::path& folder, const std::string& name, int count, std::uint64_t seed) {
    const fovea::RandomSite noise{seed};
    std::string pictures = big_endian(0x803) + big_endian(static_cast<std::uint32_t>(count)) +
                           big_endian(28) + big_endian(28);
    std::string labels = big_endian(0x801) + big_endian(static_cast<std::uint32_t>(count));
    std::uint64_t pixel = 0;
    for (int i = 0; i < count; ++i) {
        const int label = i % 10;
        for (int y = 0; y < 28; ++y)
            for (int x = 0; x < 28; ++x, ++pixel) {
                const bool stripe = (x / 3) % 10 == label || (y / 3) % 10 == label;
                pictures += static_cast<char>((stripe ? 200 : 20) + noise.bits_of(pixel) % 40);
            }
        labels += static_cast<char>(label);
    }
    write(folder / (name + "-images-idx3-ubyte"), pictures);
    write(folder / (name + "-labels-idx1-ubyte"), labels);
}

}  // namespace

TempFolder::TempFolder() {
    std::string name = (fs::temp_directory_path() / "fovea_training_XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
    path = name;
}

TempFolder::~TempFolder() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
}

Process::Process(const std::string& program, const Arguments& arguments, const Limits& limits) {
    const std::string file = program[0] == '/' ? program : FOVEA_BINARY_DIR "/bin/" + program;
    std::vector<char*> argv = {const_cast<char*>(file.c_str())};
    for (const std::string& argument : arguments)
        argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    const std::string out = output_ / "out", err = output_ / "err";
    std::fflush(nullptr);
    pid_ = fork();
    if (pid_ != 0) return;
    redirect(out, STDOUT_FILENO);
    redirect(err, STDERR_FILENO);
    if (!limits.folder.empty() && chdir(limits.folder.c_str()) != 0) _exit(126);
    if (!limits.gnuplot) setenv("PATH", "/nonexistent", 1);
    if (limits.file_bytes > 0) {
        const struct rlimit limit = {limits.file_bytes, limits.file_bytes};
        setrlimit(RLIMIT_FSIZE, &limit);
    }
    for (const int s : {SIGINT, SIGTERM, SIGHUP, SIGUSR1}) signal(s, SIG_DFL);  // not Catch's
    execv(file.c_str(), argv.data());
    _exit(127);
}

Process::~Process() {
    if (ended_) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
}

void Process::send(int signal) const { kill(pid_, signal); }

bool Process::running() {
    if (!ended_) ended_ = waitpid(pid_, &raw_status_, WNOHANG) == pid_;
    return !ended_;
}

Outcome Process::wait() {
    if (!ended_) waitpid(pid_, &raw_status_, 0);
    ended_ = true;
    const int status =
        WIFEXITED(raw_status_) ? WEXITSTATUS(raw_status_) : 128 + WTERMSIG(raw_status_);
    return {status, read(output_ / "out"), read(output_ / "err")};
}

Outcome run(const std::string& program, const Arguments& arguments, const Limits& limits) {
    return Process(program, arguments, limits).wait();
}

void write_striped_digits(const fs::path& folder, int train, int test) {
    fs::create_directories(folder);
    write_split(folder, "train", train, 1);
    write_split(folder, "t10k", test, 2);
}

const std::string& data() {
    static const TempFolder folder;
    static const std::string path = [] {
        write_striped_digits(folder.path, 600, 100);
        return folder.path.string();
    }();
    return path;
}

std::string read(const fs::path& file) {
    std::ifstream in(file, std::ios::binary);
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
}

void write(const fs::path& file, const std::string& bytes) {
    std::ofstream(file, std::ios::binary) << bytes;
}

void truncate(const fs::path& file, std::size_t bytes) { fs::resize_file(file, bytes); }

void flip_bit(const fs::path& file, std::size_t at) {
    std::string bytes = read(file);
    bytes.at(at) = static_cast<char>(bytes[at] ^ 1);
    write(file, bytes);
}

Arguments short_run(const std::string& out, const Arguments& more) {
    Arguments arguments = {"--data",    data(),    "--config", "cvt_tiny", "--epochs",
                           "3",         "--batch", "20",       "--warmup", "0.5",
                           "--threads", "1",       "--out",    out};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
}

Outcome train(const Arguments& arguments) {
    const Outcome outcome = run("train_cvt", arguments);
    INFO(outcome.err);
    REQUIRE(outcome.status == 0);
    return outcome;
}

Outcome resume(const std::string& folder, const Arguments& more) {
    Arguments arguments = {"--resume", folder};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return train(arguments);
}

int rows(const fs::path& file) { return static_cast<int>(fovea::apps::read_csv(file).rows.size()); }

std::string repeatable_log(const std::string& folder) {
    const fovea::apps::CsvTable log = fovea::apps::read_csv(fs::path(folder) / "log.csv");
    std::string text;
    for (const auto& row : log.rows) {
        for (int c = 0; c < fovea::apps::kRepeatableEpochColumns; ++c)
            text += row[static_cast<std::size_t>(c)] + ",";
        text += '\n';
    }
    return text;
}

std::string difference(const std::string& run_a, const std::string& run_b) {
    const fs::path a = run_a, b = run_b;
    for (const char* file : {"model.safetensors", "steps.csv", "eval/metrics.json",
                             "eval/predictions.csv", "checkpoints/last.ckpt.safetensors"}) {
        if (!fs::exists(a / file)) return std::string("no ") + file;
        if (read(a / file) != read(b / file)) return file;
    }
    return repeatable_log(run_a) == repeatable_log(run_b) ? "" : "log.csv";
}

void nap() { std::this_thread::sleep_for(std::chrono::milliseconds(2)); }

std::string error_code(const std::string& text) {
    const std::size_t at = text.find("error[");
    return at == std::string::npos ? "" : text.substr(at + 6, 3);
}

bool well_formed_error(const std::string& text) {
    std::istringstream lines(text.substr(std::min(text.find("error["), text.size())));
    std::string what, at, advice, more;
    std::getline(lines, what);
    std::getline(lines, at);
    std::getline(lines, advice);
    return what.size() > 12 && what.compare(9, 2, "] ") == 0 && at.rfind("  at ", 0) == 0 &&
           advice.rfind("  try ", 0) == 0 && !std::getline(lines, more);
}

}  // namespace test
