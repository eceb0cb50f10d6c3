// Error: what every failure that a user can cause looks like. One line each of what, where and what
// to try; the code's letter decides the exit status. Apps print it with print_error().
#pragma once

#include <stdexcept>
#include <string>

namespace fovea {

/// Exit statuses of all programs.
enum class Exit : int {
    Ok = 0,
    Usage = 2,
    Data = 3,
    Checkpoint = 4,
    Memory = 5,
    NonFinite = 6,
    Disk = 7,
    Bug = 70,
    Interrupted = 130,
    Terminated = 143
};

/// Codes are a letter and two digits: C.. usage and configuration, D.. data, K.. checkpoints and
/// weights, M.. memory, N.. non-finite numbers, F.. files and disks, G.. devices, B.. our own bugs.
class Error : public std::runtime_error {
public:
    Error(std::string code, std::string what, std::string at = {}, std::string attempt = {});

    const std::string& code() const { return code_; }
    const std::string& message() const { return message_; }
    const std::string& at() const { return at_; }        ///< file, key, tensor; may be empty
    const std::string& attempt() const { return try_; }  ///< what to try; may be empty
    Exit exit() const;                                   ///< from the code's letter

private:
    std::string code_, message_, at_, try_;
};

/// "error[CODE] what", then "  at ..." and "  try ..." lines where there are any, without newline
/// at the end. Control characters in the texts are escaped.
std::string format_error(const Error& e);

}  // namespace fovea
