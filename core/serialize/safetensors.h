// safetensors: named tensors in one flat file. Read strictly, written in one canonical form.
// Format: https://github.com/huggingface/safetensors
//
//   u64 little-endian N | N bytes of JSON | data section
//   {"__metadata__": {"key": "text"}, "name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}}
//
// Offsets count from the start of the data section; numbers are little-endian, tensors row-major.
//
// Error codes of reading (K03 and K04 belong to fitting a file to a model):
//   K01  another kind of file: pickle, zip, web page, git-lfs pointer, folder, pipe, ...
//   K02  truncated, or empty; says how many bytes are missing
//   K05  cannot be opened or read
//   K06  over a limit: header length, number of entries, length of a name, rank
//   K07  the header is not a JSON object in UTF-8
//   K08  a key occurs twice
//   K09  an entry is malformed: field missing, unknown or of the wrong type
//   K10  dtype unknown or not supported
//   K11  data_offsets do not fit dtype and shape, or the size overflows
//   K12  tensors overlap or leave a hole
//   K13  bytes after the last tensor
// and of writing:
//   K17  cannot be written: not UTF-8, a name given twice, bytes that do not fit the shape, too long
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/include/dtype.h"
#include "kernels/include/shape.h"

namespace fovea {

class AtomicFile;

/// Longest header, in bytes: the format's own limit.
inline constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;
/// Most tensors plus metadata entries, so that a small file cannot ask for a lot of memory.
inline constexpr std::size_t kMaxHeaderEntries = 100'000;
/// Longest tensor name or metadata key, in bytes.
inline constexpr std::size_t kMaxNameBytes = 1024;

using Metadata = std::map<std::string, std::string>;

/// One tensor of a file. The product of the non-zero extents, times the element size, fits in 63 bits,
/// so numel() and strides cannot overflow.
struct TensorInfo {
    std::string name;
    DType dtype = DType::F32;
    Shape shape;
    std::uint64_t begin = 0, end = 0;  ///< bytes [begin, end) of the data section

    std::uint64_t bytes() const { return end - begin; }
};

/// What a header says, checked: the tensors cover the data section without hole or overlap.
struct SafetensorsHeader {
    std::vector<TensorInfo> tensors;     ///< by offset, then by name
    std::vector<std::uint32_t> by_name;  ///< indices into `tensors`, by name
    Metadata metadata;
    std::uint64_t data_begin = 0;  ///< offset of the data section in the file

    /// The tensor of that name, or null.
    const TensorInfo* find(std::string_view name) const;
};

/// Checks and reads the header at the start of a file of `file_size` bytes. `file_prefix` holds at least
/// the 8 + N bytes of length and header; the data section need not be there. Nothing is allocated before
/// N is known to fit the file. `path` is for messages. Throws K01, K02, K06 ... K13.
SafetensorsHeader read_safetensors_header(std::span<const std::byte> file_prefix,
                                          std::uint64_t file_size, const std::string& path = {});

/// An open file. Data is read on demand, not mapped: a file cut short after opening is an error, not a
/// bus fault.
class SafetensorsFile {
public:
    /// Opens and checks the header. Throws K01 ... K13. Does not wait on pipes.
    static SafetensorsFile open(const std::string& path);
    ~SafetensorsFile();
    SafetensorsFile(SafetensorsFile&& other) noexcept;
    SafetensorsFile& operator=(SafetensorsFile&&) = delete;
    SafetensorsFile(const SafetensorsFile&) = delete;
    SafetensorsFile& operator=(const SafetensorsFile&) = delete;

    const std::string& path() const { return path_; }
    const std::vector<TensorInfo>& tensors() const { return header_.tensors; }
    const Metadata& metadata() const { return header_.metadata; }
    const TensorInfo* find(std::string_view name) const { return header_.find(name); }

    /// Copies the tensor's info.bytes() bytes to `destination`. Throws K02, K05. NaN and Inf are legal
    /// here; whoever uses the numbers checks them.
    void read(const TensorInfo& info, void* destination) const;

private:
    SafetensorsFile(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}

    std::string path_;
    SafetensorsHeader header_;
    int fd_ = -1;
};

/// A tensor to be written: its bytes are borrowed, dense, row-major.
struct NamedTensor {
    std::string name;
    DType dtype = DType::F32;
    Shape shape;
    std::span<const std::byte> bytes;
};

/// Where everything goes in a canonical file: equal content gives equal bytes. Tensors lie by element
/// size, largest first (so each is aligned), then by name; the header is padded with spaces to 8 bytes.
struct SafetensorsLayout {
    std::string header;              ///< length prefix, JSON, padding
    std::vector<std::size_t> order;  ///< indices of the tensors as they lie in the data section
    std::uint64_t file_bytes = 0;
};

/// Throws K17.
SafetensorsLayout layout_safetensors(std::span<const NamedTensor> tensors,
                                     const Metadata& metadata);

/// Writes a laid-out file; the caller commits. Throws F02, F03.
void write_safetensors(AtomicFile& file, const SafetensorsLayout& layout,
                       std::span<const NamedTensor> tensors);

/// Writes a whole file atomically. Throws K17, F01, F02, F03.
void write_safetensors(const std::string& path, std::span<const NamedTensor> tensors,
                       const Metadata& metadata = {});

}  // namespace fovea
