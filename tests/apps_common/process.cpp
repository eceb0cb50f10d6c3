// Exit statuses and signals, in child processes.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <functional>
#include <new>
#include <stdexcept>

#include "apps/common/interrupt.h"
#include "apps/common/run_app.h"
#include "core/error.h"

using namespace fovea;
using namespace fovea::apps;

namespace {

/// Exit status of a child that runs `body` with stderr closed, -signal if one killed it.
int status_of(const std::function<int()>& body) {
    std::fflush(nullptr);
    const pid_t child = fork();
    if (child == 0) {
        if (std::freopen("/dev/null", "w", stderr) == nullptr) _exit(99);
        _exit(body());
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

}  // namespace

TEST_CASE("what a program throws becomes its exit status") {
    const auto thrown = [](auto exception) {
        return status_of([&] { return run_app([&]() -> int { throw exception; }); });
    };
    CHECK(status_of([] { return run_app([] { return 0; }); }) == 0);
    CHECK(thrown(Error("C01", "x")) == 2);
    CHECK(thrown(Error("D01", "x")) == 3);
    CHECK(thrown(Error("K01", "x")) == 4);
    CHECK(thrown(std::bad_alloc()) == 5);
    CHECK(thrown(Error("N01", "x")) == 6);
    CHECK(thrown(Error("F02", "x")) == 7);
    CHECK(thrown(std::logic_error("x")) == 70);
    CHECK(thrown(3) == 70);
}

TEST_CASE("results that do not fit on the disk are an error") {
    CHECK(status_of([] {
              if (std::freopen("/dev/full", "w", stdout) == nullptr) return 99;
              return run_app([] {
                  std::printf("top1 0.93\n");
                  return 0;
              });
          }) == 7);
}

TEST_CASE("signals are requests; a second SIGINT leaves at once") {
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
        CAPTURE(signal);
        SignalGuard guard;
        CHECK(stop_signal() == 0);
        raise(signal);
        CHECK(stop_signal() == signal);
    }
    {
        SignalGuard guard;
        CHECK_FALSE(take_save_request());
        raise(SIGUSR1);
        raise(SIGUSR1);
        CHECK(take_save_request());
        CHECK_FALSE(take_save_request());
        CHECK(stop_signal() == 0);
        raise(SIGPIPE);  // ignored
    }
    CHECK(exit_status(SIGINT) == 130);
    CHECK(exit_status(SIGTERM) == 143);
    CHECK(std::string(signal_name(SIGHUP)) == "SIGHUP");
    const auto twice = [](int first) {
        return status_of([first] {
            SignalGuard guard;
            raise(first);
            raise(SIGINT);
            return stop_signal() == SIGINT ? 1 : 2;
        });
    };
    CHECK(twice(SIGINT) == 130);
    CHECK(twice(SIGTERM) == 1);  // the first SIGINT only
    CHECK(status_of([] {
              signal(SIGTERM, SIG_DFL);  // not the test framework's
              { SignalGuard guard; }
              raise(SIGTERM);  // the old behaviour is back
              return 0;
          }) == -SIGTERM);
}
