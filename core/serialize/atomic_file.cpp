#include "core/serialize/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <limits>
#include <system_error>
#include <utility>

namespace fovea {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kBufferBytes = std::size_t{64} * 1024;
constexpr const char* kTemporaryMark = ".tmp.";

std::string folder_of(const std::string& path) {
    const std::string parent = fs::path(path).parent_path().string();
    return parent.empty() ? "." : parent;
}

std::string format_bytes(std::uint64_t bytes) {
    if (bytes < 1024) return std::to_string(bytes) + " bytes";
    static constexpr const char* kUnits[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double value = static_cast<double>(bytes) / 1024;
    int unit = 0;
    for (; value >= 1024 && unit < 5; ++unit) value /= 1024;
    char text[32];
    std::snprintf(text, sizeof text, "%.1f %s", value, kUnits[unit]);
    return text;
}

std::string describe_space(int errno_value, const std::string& path, std::uint64_t needed) {
    std::string text = needed > 0 ? "needs " + format_bytes(needed) : "size unknown";
    struct statvfs disk {};
    if (errno_value == EFBIG)
        text += ", over the file-size limit, see ulimit -f";
    else if (::statvfs(folder_of(path).c_str(), &disk) == 0)
        text += ", " + format_bytes(std::uint64_t{disk.f_bavail} * disk.f_frsize) + " free";
    return text;
}

int open_retrying(const std::string& path, int flags) {
    int fd = -1;
    do fd = ::open(path.c_str(), flags | O_CLOEXEC, 0666);
    while (fd < 0 && errno == EINTR);
    return fd;
}

// Writes everything or returns the errno that stopped it.
int write_all(int fd, const char* data, std::size_t bytes) {
    while (bytes > 0) {
        const ssize_t n = ::write(fd, data, bytes);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return errno;
        if (n == 0) return EIO;
        data += n;
        bytes -= static_cast<std::size_t>(n);
    }
    return 0;
}

}  // namespace

Error file_error(int errno_value, const std::string& action, const std::string& path,
                 std::uint64_t needed) {
    const std::string name = fs::path(path).filename().string();
    const std::string reason = std::generic_category().message(errno_value);
    std::error_code ignored;
    const std::string intact =
        fs::is_regular_file(path, ignored) ? "; last intact file: " + path : std::string();
    switch (errno_value) {
        case ENOSPC:
        case EDQUOT:
        case EFBIG:
            return {"F02",
                    "no space for " + name + " (" + describe_space(errno_value, path, needed) + ")",
                    path + " (" + reason + ")", "free space and save again" + intact};
        case EACCES:
        case EPERM:
        case EROFS:
        case ENOENT:
        case ENOTDIR:
        case EISDIR:
        case ELOOP:
        case ENAMETOOLONG:
            return {"F01", "cannot " + action + " " + name + ": " + reason, path,
                    "choose a folder that exists and may be written to" + intact};
        default:
            return {"F03", "cannot " + action + " " + name + ": " + reason, path,
                    "check the disk and its connection" + intact};
    }
}

void sync_directory(const std::string& dir) {
    const int fd = open_retrying(dir, O_RDONLY | O_DIRECTORY);
    if (fd < 0) throw file_error(errno, "open the folder", dir);
    // Some file systems cannot sync folders and say EINVAL; the rename itself is still atomic there.
    const int failed = ::fsync(fd) != 0 && errno != EINVAL ? errno : 0;
    ::close(fd);
    if (failed != 0) throw file_error(failed, "sync the folder", dir);
}

AtomicFile::AtomicFile(std::string path, std::uint64_t expected_bytes)
    : path_(std::move(path)), temporary_(path_ + kTemporaryMark + std::to_string(::getpid())),
      expected_(expected_bytes) {
    buffer_.reserve(kBufferBytes);
    // An old temporary of this name can only be a leftover. NOFOLLOW: never write through a link.
    fd_ = open_retrying(temporary_, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW);
    if (fd_ < 0) throw file_error(errno, "create", path_, expected_);
}

AtomicFile::~AtomicFile() {
    if (fd_ >= 0) ::close(fd_);
    if (!committed_) ::unlink(temporary_.c_str());
}

void AtomicFile::write_through(const char* data, std::size_t bytes) {
    written_ += bytes;
    if (const int failed = write_all(fd_, data, bytes); failed != 0)
        throw file_error(failed, "write", path_, std::max(expected_, written_));
}

void AtomicFile::flush() {
    write_through(buffer_.data(), buffer_.size());
    buffer_.clear();
}

void AtomicFile::write(const void* data, std::size_t bytes) {
    if (buffer_.size() + bytes > kBufferBytes) flush();
    if (bytes > kBufferBytes)
        write_through(static_cast<const char*>(data), bytes);
    else if (bytes > 0)
        buffer_.append(static_cast<const char*>(data), bytes);
}

void AtomicFile::close() {
    flush();
    // A full disk or a broken one may show only here, or even later, at close().
    if (::fsync(fd_) != 0) throw file_error(errno, "sync", path_, std::max(expected_, written_));
    const int closed = ::close(std::exchange(fd_, -1));
    if (closed != 0 && errno != EINTR) throw file_error(errno, "close", path_, written_);
}

void AtomicFile::commit() {
    if (fd_ >= 0) close();
    if (std::rename(temporary_.c_str(), path_.c_str()) != 0)
        throw file_error(errno, "rename the temporary to", path_, written_);
    committed_ = true;
    sync_directory(folder_of(path_));
}

void write_text_atomically(const std::string& path, std::string_view text) {
    AtomicFile file(path, text.size());
    file.write(text);
    file.commit();
}

std::vector<std::string> remove_stale_temporaries(const std::string& dir) {
    std::vector<std::string> removed;
    std::error_code failed;
    for (fs::directory_iterator it(dir, failed), end; !failed && it != end; it.increment(failed)) {
        const std::string name = it->path().filename().string();
        const std::size_t mark = name.rfind(kTemporaryMark);
        if (mark == std::string::npos) continue;
        const char* const first = name.data() + mark + std::strlen(kTemporaryMark);
        const char* const last = name.data() + name.size();
        pid_t pid = 0;
        const auto [end_of_number, error] = std::from_chars(first, last, pid);
        if (error != std::errc() || end_of_number != last || pid <= 0) continue;
        const bool dead = pid == ::getpid() || (::kill(pid, 0) != 0 && errno == ESRCH);
        if (dead && ::unlink(it->path().c_str()) == 0) removed.push_back(name);
    }
    return removed;
}

AppendFile::AppendFile(std::string path) : path_(std::move(path)) {
    fd_ = open_retrying(path_, O_RDWR | O_CREAT | O_APPEND);
    if (fd_ < 0) throw file_error(errno, "open", path_);
    try {
        keep_lines(std::numeric_limits<std::uint64_t>::max());
    } catch (...) {
        ::close(fd_);
        throw;
    }
}

AppendFile::~AppendFile() { ::close(fd_); }

void AppendFile::append(std::string_view line) {
    std::string text(line);
    text += '\n';
    if (const int failed = write_all(fd_, text.data(), text.size()); failed != 0) {
        // Take back a part that went through; if even that fails, the next opening does it.
        [[maybe_unused]] const int undone = ::ftruncate(fd_, static_cast<off_t>(size_));
        throw file_error(failed, "append to", path_, size_ + text.size());
    }
    size_ += text.size();
}

std::uint64_t AppendFile::keep_lines(std::uint64_t lines) {
    struct stat status {};
    if (::fstat(fd_, &status) != 0) throw file_error(errno, "inspect", path_);
    if (!S_ISREG(status.st_mode)) return 0;  // a pipe or a device keeps nothing to cut

    std::uint64_t kept = 0, kept_bytes = 0, offset = 0;
    std::vector<char> block(kBufferBytes);
    while (kept < lines) {
        const ssize_t n = ::pread(fd_, block.data(), block.size(), static_cast<off_t>(offset));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) throw file_error(errno, "read", path_);
        if (n == 0) break;
        for (ssize_t i = 0; i < n && kept < lines; ++i) {
            if (block[static_cast<std::size_t>(i)] != '\n') continue;
            ++kept;
            kept_bytes = offset + static_cast<std::uint64_t>(i) + 1;
        }
        offset += static_cast<std::uint64_t>(n);
    }
    if (kept_bytes != static_cast<std::uint64_t>(status.st_size) &&
        ::ftruncate(fd_, static_cast<off_t>(kept_bytes)) != 0)
        throw file_error(errno, "shorten", path_);
    size_ = kept_bytes;
    return kept;
}

void AppendFile::sync() {
    // EINVAL: a pipe or a device, where there is nothing to sync.
    if (::fsync(fd_) != 0 && errno != EINVAL) throw file_error(errno, "sync", path_, size_);
}

}  // namespace fovea
