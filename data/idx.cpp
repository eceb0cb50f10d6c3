#include "data/idx.h"

#include <algorithm>
#include <bit>
#include <cstdio>

#include "core/error.h"
#include "data/byte_reader.h"
#include "data/file_bytes.h"

namespace fovea {
namespace {

constexpr std::uint64_t kLargestFile = std::uint64_t{16} << 30;

bool known(std::uint8_t type) { return type >= 0x08 && type <= 0x0E && type != 0x0A; }

std::string hex(const std::uint8_t (&b)[4]) {
    char text[16];
    std::snprintf(text, sizeof text, "%02x %02x %02x %02x", b[0], b[1], b[2], b[3]);
    return text;
}

std::string with_commas(std::uint64_t n) {
    std::string s = std::to_string(n);
    for (int i = static_cast<int>(s.size()) - 3; i > 0; i -= 3)
        s.insert(static_cast<std::size_t>(i), ",");
    return s;
}

[[noreturn]] void fail_truncated(std::uint64_t missing, bool at_least, const std::string& name) {
    throw Error("D05",
                "idx file is truncated: " + std::string(at_least ? "at least " : "") +
                    with_commas(missing) + " bytes are missing",
                name, "copy or download it again");
}

/// Type and shape; leaves the reader at the first element.
IdxArray read_header(ByteReader& reader, const std::string& name) {
    std::uint8_t magic[4] = {};
    const std::size_t got = reader.read(magic, 4);
    if (got == 0) throw Error("D03", "file is empty", name, "copy or download it again");
    if (got < 4) throw Error("D03", "file is too short for an idx header", name, "copy it again");
    if (magic[0] != 0 || magic[1] != 0) {
        throw Error("D03",
                    "not an idx file: it starts with " + hex(magic) + ", not 00 00 type rank", name,
                    "give an idx file such as train-images-idx3-ubyte, plain or .gz");
    }
    if (!known(magic[2])) {
        throw Error("D03", "idx type in " + hex(magic) + " is unknown; 08 09 0b 0c 0d 0e exist",
                    name, "write it again as unsigned bytes (08)");
    }
    if (magic[3] == 0 || magic[3] > kMaxRank) {
        throw Error("D03", "idx rank is " + std::to_string(magic[3]) + "; 1 to 6 are supported",
                    name, "reshape the array");
    }
    IdxArray a;
    a.type = static_cast<IdxType>(magic[2]);
    for (int i = 0; i < magic[3]; ++i) {
        std::uint8_t b[4];
        const std::size_t n = reader.read(b, 4);
        if (n < 4) fail_truncated(static_cast<std::uint64_t>(magic[3] - i) * 4 - n, true, name);
        a.shape.push_back(std::int64_t{b[0]} << 24 | b[1] << 16 | b[2] << 8 | b[3]);
    }
    return a;
}

std::uint64_t payload_bytes(const IdxArray& a, const std::string& name) {
    std::uint64_t bytes = size_of(a.type);
    for (const std::int64_t extent : a.shape) {
        if (__builtin_mul_overflow(bytes, static_cast<std::uint64_t>(extent), &bytes) ||
            bytes > kLargestFile) {
            throw Error("D03", "idx header asks for more than 16 GiB", name,
                        "the header is damaged: download the file again");
        }
    }
    return bytes;
}

void to_native_order(std::vector<std::uint8_t>& bytes, std::size_t size) {
    if constexpr (std::endian::native == std::endian::big) return;
    if (size == 1) return;
    for (auto at = bytes.begin(); at != bytes.end(); at += static_cast<std::ptrdiff_t>(size))
        std::reverse(at, at + static_cast<std::ptrdiff_t>(size));
}

}  // namespace

std::size_t size_of(IdxType type) {
    switch (type) {
        case IdxType::U8:
        case IdxType::I8: return 1;
        case IdxType::I16: return 2;
        case IdxType::I32:
        case IdxType::F32: return 4;
        case IdxType::F64: return 8;
    }
    return 0;
}

IdxArray read_idx(std::span<const std::uint8_t> file, const std::string& name) {
    ByteReader reader(file, name);
    IdxArray a = read_header(reader, name);
    const std::uint64_t want = payload_bytes(a, name);
    // Before the memory is taken: can the rest of the file hold so much?
    if (want > reader.most_left())
        fail_truncated(want - reader.most_left(), reader.compressed(), name);
    a.bytes.resize(want);
    const std::uint64_t got = reader.read(a.bytes.data(), want);
    if (got < want) fail_truncated(want - got, false, name);
    std::uint8_t extra;
    if (reader.read(&extra, 1) != 0) {
        throw Error("D05", "idx file goes on after its last element", name,
                    "the header does not fit the data: download the file again");
    }
    to_native_order(a.bytes, size_of(a.type));
    return a;
}

IdxArray read_idx_file(const std::string& path) {
    return read_idx(read_file(path, kLargestFile), path);
}

}  // namespace fovea
