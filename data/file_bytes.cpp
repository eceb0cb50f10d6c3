#include "data/file_bytes.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/error.h"

namespace fovea {
namespace {

struct File {
    int fd;
    ~File() {
        if (fd >= 0) ::close(fd);
    }
};

std::string reason() { return std::strerror(errno); }

}  // namespace

std::vector<std::uint8_t> read_file(const std::string& path, std::uint64_t limit) {
    // Non-blocking, or opening a FIFO would wait for a writer.
    const File file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
    struct stat info {};
    if (file.fd < 0 || ::fstat(file.fd, &info) != 0)
        throw Error("D01", "cannot open file: " + reason(), path,
                    "check the path and its permissions");
    if (!S_ISREG(info.st_mode))
        throw Error("D01", "not a regular file", path, "give the path of a file");
    const auto size = static_cast<std::uint64_t>(info.st_size);
    if (size > limit) {
        throw Error("D01",
                    "file has " + std::to_string(size) + " bytes, more than the limit of " +
                        std::to_string(limit),
                    path, "is this the right file?");
    }
    std::vector<std::uint8_t> bytes(size);
    std::size_t done = 0;
    while (done < bytes.size()) {
        const ssize_t n = ::read(file.fd, bytes.data() + done, bytes.size() - done);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) throw Error("D01", "cannot read file: " + reason(), path, "check the disk");
        if (n == 0) throw Error("D01", "file became shorter while it was read", path, "run again");
        done += static_cast<std::size_t>(n);
    }
    return bytes;
}

}  // namespace fovea
