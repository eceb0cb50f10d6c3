// ByteReader: the bytes of a file that may be gzip-compressed, read front to back.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace fovea {

/// Detects gzip by its magic 1f 8b. Never inflates more than it is asked for, so a small file cannot
/// fill the memory.
class ByteReader {
public:
    /// `bytes` must outlive the reader; `name` goes into errors.
    ByteReader(std::span<const std::uint8_t> bytes, std::string name);
    ~ByteReader();
    ByteReader(const ByteReader&) = delete;
    ByteReader& operator=(const ByteReader&) = delete;

    /// Next bytes; fewer than n only where the data ends.
    /// Error D05: compressed data is damaged, ends early, or is followed by something else.
    std::size_t read(std::uint8_t* to, std::size_t n);

    bool compressed() const { return inflater_ != nullptr; }

    /// No more than this many bytes can follow (deflate expands at most 1032-fold);
    /// exactly this many where the data is not compressed.
    std::uint64_t most_left() const;

private:
    struct Inflater;
    std::span<const std::uint8_t> left_;  // plain or compressed bytes not yet used
    std::string name_;
    std::unique_ptr<Inflater> inflater_;  // only for gzip
};

}  // namespace fovea
