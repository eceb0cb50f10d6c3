#include "core/error.h"

#include <cstdio>

namespace fovea {
namespace {

// File names and labels may hold anything; a message stays one line per part.
std::string printable(const std::string& text) {
    std::string out;
    for (const char c : text) {
        if (static_cast<unsigned char>(c) >= 0x20 && c != 0x7F) {
            out += c;
        } else {
            char hex[8];
            std::snprintf(hex, sizeof hex, "\\x%02x", static_cast<unsigned char>(c));
            out += hex;
        }
    }
    return out;
}

}  // namespace

Error::Error(std::string code, std::string what, std::string at, std::string attempt)
    : std::runtime_error(what), code_(std::move(code)), message_(std::move(what)),
      at_(std::move(at)), try_(std::move(attempt)) {}

Exit Error::exit() const {
    switch (code_.empty() ? 'B' : code_[0]) {
        case 'C':
        case 'G': return Exit::Usage;
        case 'D': return Exit::Data;
        case 'K': return Exit::Checkpoint;
        case 'M': return Exit::Memory;
        case 'N': return Exit::NonFinite;
        case 'F': return Exit::Disk;
        default: return Exit::Bug;
    }
}

std::string format_error(const Error& e) {
    std::string out = "error[" + e.code() + "] " + printable(e.message());
    if (!e.at().empty()) out += "\n  at " + printable(e.at());
    if (!e.attempt().empty()) out += "\n  try " + printable(e.attempt());
    return out;
}

}  // namespace fovea
