// Measurements in child processes.
#include <signal.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <vector>

#include "apps/common/isolated.h"
#include "apps/common/process_probe.h"
#include "core/error.h"

using namespace fovea;
using namespace fovea::apps;

namespace {
struct Pair {
    double a;
    std::int64_t b;
};
}  // namespace

TEST_CASE("a child hands its result over and leaves the parent's memory alone") {
    int touched = 0;
    Pair result{};
    const int status = in_child(
        [&] {
            touched = 1;
            return Pair{0.1, getpid()};
        },
        result);
    CHECK(status == 0);
    CHECK(result.a == 0.1);
    CHECK(result.b != getpid());
    CHECK(touched == 0);
}

TEST_CASE("a child's error becomes its exit status") {
    Pair result{};
    CHECK(in_child([]() -> Pair { throw Error("D01", "no such dataset"); }, result) == 3);
}

TEST_CASE("a child that is killed is an error of the parent") {
    Pair result{};
    const auto killed = [] {
        raise(SIGKILL);
        return Pair{};
    };
    CHECK_THROWS_AS(in_child(killed, result), Error);
}

TEST_CASE("a child's peak memory and age are its own") {
    const std::vector<char> mine(64 << 20, 1);  // part of the child when it starts, not of its peak
    Pair result{};
    const int status = in_child(
        [] {
            const std::int64_t before = resident_kib();
            const std::vector<char> own(32 << 20, 1);
            return Pair{process_age(), peak_resident_kib() - before};
        },
        result);
    CHECK(status == 0);
    CHECK(mine.back() == 1);
    CHECK(result.b >= 32 << 10);
    CHECK(result.b < 40 << 10);
    CHECK(result.a < 5.0);
    CHECK(process_age() > 0.0);
}
