// Saves interrupted by SIGKILL, at random moments and before and after every system call, and saves in
// which one system call fails. Afterwards the newest checkpoint must load.
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <functional>
#include <random>
#include <thread>

#include "core/serialize/atomic_file.h"
#include "tests/serialize/sample_checkpoint.h"

namespace fovea::test {
namespace {

constexpr std::size_t kWeights = 300'000;  // about 1.4 MB a checkpoint

// The child runs `work` and leaves with 0, 1 (it threw an Error) or 2 (anything else).
template <class Work>
pid_t spawn(const Work& work) {
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        int status = 0;
        try {
            work();
        } catch (const Error&) {
            status = 1;
        } catch (...) {
            status = 2;
        }
        ::_exit(status);
    }
    return child;
}

// Lets the child go to its next stop; false where it has ended, with its wait status in `status`.
bool run_to_next_stop(pid_t child, int& status) {
    ::ptrace(PTRACE_SYSCALL, child, nullptr, nullptr);
    ::waitpid(child, &status, 0);
    return WIFSTOPPED(status);
}

/// Runs one save in a traced child. `at_stop(child, n)` is called at the n-th stop, of which each
/// system call has two, on the way in and on the way out; it returns false to kill the child there.
/// Returns the child's wait status.
int traced_save(const std::string& dir, const Checkpoint& checkpoint,
                const std::function<bool(pid_t, int)>& at_stop) {
    const pid_t child = spawn([&] {
        ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
        ::raise(SIGSTOP);
        save_checkpoint(dir, checkpoint);
    });
    int status = 0;
    ::waitpid(child, &status, 0);
    for (int stop = 0; run_to_next_stop(child, status); ++stop) {
        if (at_stop(child, stop)) continue;
        ::kill(child, SIGKILL);
        ::waitpid(child, &status, 0);
        break;
    }
    return status;
}

// Empties the folder and puts two checkpoints there, steps 1 and 2: copies, since saving is slow.
void start_with_two(const TempDir& dir) {
    static const TempDir originals;
    if (originals.names().empty())
        for (const std::uint64_t step : {1, 2})
            save_checkpoint(originals.path(), SampleCheckpoint(step).checkpoint);
    for (const std::string& name : dir.names()) std::filesystem::remove(dir / name);
    for (const char* name : {kLastCheckpoint, kPreviousCheckpoint})
        std::filesystem::copy_file(originals / name, dir / name);
}

void check_state(const TempDir& dir, bool saved) {
    remove_stale_temporaries(dir.path());
    const LoadedCheckpoint loaded = load_newest_checkpoint(dir.path());
    CHECK(loaded.warning.empty());
    CHECK(is_sample(loaded.checkpoint));
    CHECK((loaded.checkpoint.step == 3 || (loaded.checkpoint.step == 2 && !saved)));
    CHECK(load_checkpoint(dir / kPreviousCheckpoint).step < loaded.checkpoint.step);
    CHECK(dir.names() == std::set<std::string>{kLastCheckpoint, kPreviousCheckpoint});
}

}  // namespace

TEST_CASE("a run killed at 200 random moments always finds a checkpoint") {
    const TempDir dir;
    const auto begin = std::chrono::steady_clock::now();
    save_checkpoint(dir.path(), SampleCheckpoint(1, kWeights).checkpoint);
    save_checkpoint(dir.path(), SampleCheckpoint(2, kWeights).checkpoint);
    const auto one_save = (std::chrono::steady_clock::now() - begin) / 2;
    const auto longest =
        std::min<std::chrono::nanoseconds>(2 * one_save, std::chrono::milliseconds(25));

    std::mt19937_64 random(1);
    std::uniform_int_distribution<std::int64_t> moments(0, longest.count());
    std::uint64_t step = 2;
    int interrupted = 0;
    for (int i = 0; i < 200; ++i) {
        INFO("kill " << i << " after step " << step);
        const SampleCheckpoint odd(step + 1, kWeights), even(step + 2, kWeights);
        const pid_t child = spawn([&] {
            for (;;) {
                save_checkpoint(dir.path(), odd.checkpoint);
                save_checkpoint(dir.path(), even.checkpoint);
            }
        });
        std::this_thread::sleep_for(std::chrono::nanoseconds(moments(random)));
        ::kill(child, SIGKILL);
        int status = 0;
        ::waitpid(child, &status, 0);
        REQUIRE(WIFSIGNALED(status));

        interrupted += dir.names().size() > 2;
        const LoadedCheckpoint loaded = load_newest_checkpoint(dir.path());
        REQUIRE(loaded.warning.empty());
        REQUIRE(is_sample(loaded.checkpoint, kWeights));
        REQUIRE(loaded.checkpoint.step >= step);
        step = std::max(step, loaded.checkpoint.step);
        remove_stale_temporaries(dir.path());
        REQUIRE(dir.names() == std::set<std::string>{kLastCheckpoint, kPreviousCheckpoint});
    }
    CHECK(interrupted > 20);  // the kills did hit saves in progress
}

TEST_CASE("a save killed before and after each of its system calls leaves a checkpoint") {
    const TempDir dir;
    const SampleCheckpoint next(3);
    int stops = 0;
    for (bool finished = false; !finished; ++stops) {
        INFO("killed at stop " << stops);
        start_with_two(dir);
        const int status =
            traced_save(dir.path(), next.checkpoint, [&](pid_t, int stop) { return stop < stops; });
        finished = WIFEXITED(status);
        if (finished) CHECK(WEXITSTATUS(status) == 0);
        check_state(dir, finished);
    }
    CHECK(stops > 20);  // open, write, fsync, close, link, rename, ... were all there
}

TEST_CASE("a damaged last checkpoint cannot take an intact prev with it") {
    const TempDir dir;
    const SampleCheckpoint next(3);
    bool finished = false;
    for (int stops = 0; !finished; ++stops) {
        INFO("killed at stop " << stops);
        start_with_two(dir);
        write_text(dir / kLastCheckpoint, "damaged");
        const int status =
            traced_save(dir.path(), next.checkpoint, [&](pid_t, int stop) { return stop < stops; });
        finished = WIFEXITED(status);
        const LoadedCheckpoint loaded = load_newest_checkpoint(dir.path());
        CHECK(loaded.checkpoint.step == (loaded.warning.empty() ? 3 : 1));
    }
}

#if defined(__x86_64__)
TEST_CASE("a save syncs the data before any rename and the folder after each") {
    const TempDir dir;
    start_with_two(dir);
    std::vector<unsigned long long> calls;  // those that matter, a run of writes counted once
    traced_save(dir.path(), SampleCheckpoint(3).checkpoint, [&](pid_t child, int stop) {
        struct user_regs_struct registers {};
        ::ptrace(PTRACE_GETREGS, child, nullptr, &registers);
        const std::set<unsigned long long> watched = {SYS_write, SYS_fsync, SYS_link, SYS_rename};
        const bool entering = stop % 2 == 0;
        const bool again = !calls.empty() && calls.back() == registers.orig_rax;
        if (entering && watched.contains(registers.orig_rax) && !again)
            calls.push_back(registers.orig_rax);
        return true;
    });
    CHECK(calls == std::vector<unsigned long long>{SYS_write, SYS_fsync, SYS_link, SYS_rename,
                                                   SYS_fsync, SYS_rename, SYS_fsync});
}

TEST_CASE("a save in which a system call fails reports it and leaves a checkpoint") {
    const TempDir dir;
    const SampleCheckpoint next(3);
    // Fails the stop's system call: skipped on the way in, given an error on the way out.
    const auto set = [](pid_t child, auto change) {
        struct user_regs_struct registers {};
        ::ptrace(PTRACE_GETREGS, child, nullptr, &registers);
        change(registers);
        ::ptrace(PTRACE_SETREGS, child, nullptr, &registers);
    };
    for (const int error : {EIO, ENOSPC, EROFS}) {
        int reported = 0;
        bool finished = false;
        for (int failing = 0; !finished; failing += 2) {
            INFO("errno " << error << " at stop " << failing);
            start_with_two(dir);
            finished = true;
            const int status = traced_save(dir.path(), next.checkpoint, [&](pid_t child, int stop) {
                if (stop == failing) {
                    finished = false;
                    set(child, [](auto& r) { r.orig_rax = ~0ULL; });
                }
                if (stop == failing + 1)
                    set(child, [&](auto& r) { r.rax = static_cast<unsigned long long>(-error); });
                return true;
            });
            REQUIRE(WIFEXITED(status));
            REQUIRE(WEXITSTATUS(status) <= 1);
            reported += WEXITSTATUS(status);
            const LoadedCheckpoint loaded = load_newest_checkpoint(dir.path());
            CHECK(is_sample(loaded.checkpoint));
            CHECK((loaded.checkpoint.step == 3 || WEXITSTATUS(status) == 1));
            CHECK(loaded.checkpoint.step >= 2);
        }
        CHECK(reported >= 6);  // open, write, fsync, close, two renames at least
    }
}
#endif

}  // namespace fovea::test
