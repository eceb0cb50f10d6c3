// Files that are either old or new, never half: written beside their place, made durable, renamed.
// Every write, flush and sync is checked. And text logs that grow line by line.
//
// Errors of everything in this file:
//   F01  the file cannot be created there: no permission, read-only, no such folder
//   F02  no space: disk, quota or the process's file-size limit. (A program must ignore SIGXFSZ to
//        get this as an error; its default action kills.)
//   F03  any other failed operation on a file
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"

namespace fovea {

/// The F01, F02 or F03 for a failed system call. `action` reads like "write" or "rename"; `needed` is
/// the file's size in bytes where it is known. If a file is still at `path` the advice says so.
Error file_error(int errno_value, const std::string& action, const std::string& path,
                 std::uint64_t needed = 0);

/// Makes renames and new names in `dir` durable. Throws F03.
void sync_directory(const std::string& dir);

/// One file replaced as a whole. The bytes go to "PATH.tmp.PID" in the same folder; commit() puts them
/// at PATH. Without commit() (an exception on the way) the temporary is removed and PATH is untouched.
class AtomicFile {
public:
    /// `expected_bytes` is for the message when space runs out; 0 if unknown.
    explicit AtomicFile(std::string path, std::uint64_t expected_bytes = 0);
    ~AtomicFile();
    AtomicFile(const AtomicFile&) = delete;
    AtomicFile& operator=(const AtomicFile&) = delete;

    void write(const void* data, std::size_t bytes);
    void write(std::string_view text) { write(text.data(), text.size()); }

    /// Flushes and syncs the temporary: from here on its content survives a power loss.
    void close();
    /// close(), if it was not called, then the rename and the folder's sync.
    void commit();

private:
    void flush();
    void write_through(const char* data, std::size_t bytes);

    std::string path_, temporary_, buffer_;
    std::uint64_t expected_ = 0, written_ = 0;
    int fd_ = -1;
    bool committed_ = false;
};

/// Writes a whole small file (CSV, SVG, TOML, HTML) through AtomicFile.
void write_text_atomically(const std::string& path, std::string_view text);

/// Removes the temporaries ("*.tmp.PID") that killed processes left in `dir` and returns their names.
/// Call it before this process writes there: its own number counts as dead too, because in a container
/// a restarted program often gets the same one. A folder that does not exist has none.
std::vector<std::string> remove_stale_temporaries(const std::string& dir);

/// A text log (CSV) that grows by whole lines.
class AppendFile {
public:
    /// Opens or creates. A last line without its newline, as a kill leaves it, is cut off.
    explicit AppendFile(std::string path);
    ~AppendFile();
    AppendFile(const AppendFile&) = delete;
    AppendFile& operator=(const AppendFile&) = delete;

    /// Adds `line` (which has no newline in it) and a newline. If that fails, no part of it stays.
    void append(std::string_view line);
    /// Keeps the first `lines` lines, a CSV's header being one of them, and returns how many there
    /// are now: fewer if the file was shorter.
    std::uint64_t keep_lines(std::uint64_t lines);
    /// Makes all lines durable; before a checkpoint that counts on them.
    void sync();

private:
    std::string path_;
    std::uint64_t size_ = 0;
    int fd_ = -1;
};

}  // namespace fovea
