#include "apps/common/isolated.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "apps/common/run_app.h"
#include "core/error.h"

namespace fovea::apps {
namespace {

/// Until `size` bytes have come or the other end is closed; how many came.
std::size_t read_all(int fd, std::byte* to, std::size_t size) {
    std::size_t done = 0;
    while (done < size) {
        const ssize_t n = read(fd, to + done, size - done);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) break;
        done += static_cast<std::size_t>(n);
    }
    return done;
}

[[noreturn]] void run_child(const std::function<void(void*)>& body, void* result, std::size_t size,
                            int fd) {
    const int status = run_app([&] {
        body(result);
        // A result is shorter than a pipe's buffer, so one write takes it whole.
        if (write(fd, result, size) != static_cast<ssize_t>(size))
            throw Error("B01", std::string("cannot hand over a result: ") + std::strerror(errno));
        return 0;
    });
    _exit(status);
}

}  // namespace

int in_child_bytes(const std::function<void(void*)>& body, void* result, std::size_t size) {
    std::fflush(nullptr);  // or the child would write it again
    int ends[2];
    if (pipe(ends) != 0)
        throw Error("M01", std::string("cannot make a pipe: ") + std::strerror(errno));
    const pid_t child = fork();
    if (child < 0)
        throw Error("M01", std::string("cannot make a process: ") + std::strerror(errno));
    if (child == 0) {
        close(ends[0]);
        run_child(body, result, size, ends[1]);
    }
    close(ends[1]);
    const std::size_t received = read_all(ends[0], static_cast<std::byte*>(result), size);
    close(ends[0]);
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (WIFSIGNALED(status))
        throw Error(
            "M01", std::string("the measuring process was ended by ") + strsignal(WTERMSIG(status)),
            "", "a smaller --batch, if it ran out of memory");
    return received == size ? WEXITSTATUS(status) : std::max(1, WEXITSTATUS(status));
}

}  // namespace fovea::apps
