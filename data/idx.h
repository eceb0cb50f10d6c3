// The idx format of MNIST: 00 00 type rank, then rank big-endian 32-bit extents, then the elements
// row-major and big-endian (http://yann.lecun.com/exdb/mnist).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "kernels/include/shape.h"

namespace fovea {

/// The type byte of the header. 0x0A is not used by the format.
enum class IdxType : std::uint8_t {
    U8 = 0x08,
    I8 = 0x09,
    I16 = 0x0B,
    I32 = 0x0C,
    F32 = 0x0D,
    F64 = 0x0E
};

std::size_t size_of(IdxType type);

struct IdxArray {
    IdxType type = IdxType::U8;
    Shape shape;                      ///< rank 1 to 6
    std::vector<std::uint8_t> bytes;  ///< elements in this machine's byte order
};

/// Parses an idx file, plain or gzip, strictly. `name` goes into errors.
/// Error D03: not an idx header (magic, type, rank, sizes that overflow);
/// D05: truncated (by how many bytes) or with bytes after the last element; damaged compression.
IdxArray read_idx(std::span<const std::uint8_t> file, const std::string& name);

/// The same for a file on disk. Error D01: cannot be read.
IdxArray read_idx_file(const std::string& path);

}  // namespace fovea
