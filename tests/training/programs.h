// Fovea's programs as child processes, a small data set for them, and what they leave behind.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

namespace test {

using Arguments = std::vector<std::string>;

/// A folder that lives as long as a test case.
struct TempFolder {
    std::filesystem::path path;
    TempFolder();
    ~TempFolder();
    TempFolder(const TempFolder&) = delete;
    TempFolder& operator=(const TempFolder&) = delete;
    std::string operator/(const std::string& name) const { return (path / name).string(); }
};

struct Outcome {
    int status = -1;  ///< exit status; 128 + signal if one killed the program
    std::string out, err;
};

struct Limits {
    std::string folder = {};       ///< where the program runs; here if empty
    unsigned long file_bytes = 0;  ///< RLIMIT_FSIZE: no file grows beyond this; 0 = no limit
    bool gnuplot = false;          ///< may the program find gnuplot? Most tests save the time
};

/// A running program: a name in this build's bin folder, or an absolute path.
class Process {
public:
    Process(const std::string& program, const Arguments& arguments, const Limits& limits = {});
    ~Process();  ///< kills it if nobody waited
    Process(const Process&) = delete;
    Process& operator=(const Process&) = delete;

    void send(int signal) const;
    bool running();  ///< false once it has ended
    Outcome wait();

private:
    TempFolder output_;
    pid_t pid_ = -1;
    int raw_status_ = 0;
    bool ended_ = false;
};

Outcome run(const std::string& program, const Arguments& arguments, const Limits& limits = {});

/// A folder with MNIST's four files: `train` and `test` pictures of 28x28 whose stripes tell the ten
/// classes apart, under noise.
void write_striped_digits(const std::filesystem::path& folder, int train, int test);
/// 600 training and 100 test pictures, written once per program.
const std::string& data();

std::string read(const std::filesystem::path& file);
void write(const std::filesystem::path& file, const std::string& bytes);
/// Cuts or flips: the file's first `bytes` bytes; one bit changed at byte `at`.
void truncate(const std::filesystem::path& file, std::size_t bytes);
void flip_bit(const std::filesystem::path& file, std::size_t at);

/// train_cvt's arguments for a short deterministic run into `out`: cvt_tiny, 30 steps an epoch.
Arguments short_run(const std::string& out, const Arguments& more = {});
/// Trains and requires status 0.
Outcome train(const Arguments& arguments);
Outcome resume(const std::string& run, const Arguments& more = {});

/// The rows of a CSV file below its header (0 if there is no file).
int rows(const std::filesystem::path& file);
/// log.csv without the columns that hold times and memory.
std::string repeatable_log(const std::string& run);
/// Everything that must be the same in every repeat of a run: weights, logs, the last checkpoint.
/// Empty if both runs agree, else the name of what differs.
std::string difference(const std::string& run_a, const std::string& run_b);

/// Waits, at most a minute, until `condition` holds while `process` runs; false if it ended first.
template <class Condition>
bool wait_until(Process& process, const Condition& condition);
void nap();

/// "C02" of the first "error[C02] ..." in `text`; "" without one.
std::string error_code(const std::string& text);
/// A message as users should see it: one line "error[CODE] ...", then "  at ..." and "  try ...".
bool well_formed_error(const std::string& text);

template <class Condition>
bool wait_until(Process& process, const Condition& condition) {
    for (int i = 0; i < 30000; ++i) {
        if (condition()) return true;
        if (!process.running()) return condition();
        nap();
    }
    return false;
}

}  // namespace test
