// A whole file in memory, with errors that name it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace fovea {

/// The file's bytes. Error D01: not there, not a regular file, no permission, larger than `limit`.
std::vector<std::uint8_t> read_file(const std::string& path, std::uint64_t limit);

}  // namespace fovea
