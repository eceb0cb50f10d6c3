#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <system_error>
#include <tuple>
#include <utility>

#include "core/error.h"
#include "core/serialize/safetensors.h"
#include "core/serialize/utf8.h"

namespace fovea {
namespace {

static_assert(std::endian::native == std::endian::little,
              "tensors are read as they lie in the file");

using json = nlohmann::json;

constexpr std::size_t kPrefixBytes = 8;   // the length N
constexpr std::size_t kSniffBytes = 512;  // enough to know other formats by
constexpr const char* kCopyAgain = "copy or download it again";
constexpr const char* kWriteAgain =
    "copy or download it again, or write it anew with safetensors.torch.save_file";

std::string with_commas(std::uint64_t n) {
    std::string text = std::to_string(n);
    for (std::size_t i = text.size(); i > 3; i -= 3) text.insert(i - 3, 1, ',');
    return text;
}

// Names come from the file and may be as long as the header.
std::string in_quotes(std::string_view name) {
    constexpr std::size_t kShown = 80;
    std::string text = "\"";
    text += name.substr(0, kShown);
    return text += name.size() > kShown ? "...\"" : "\"";
}

std::string name_in_message(const std::string& path) {
    return path.empty() ? "the file" : std::filesystem::path(path).filename().string();
}

Error truncated(const std::string& path, std::uint64_t missing, const std::string& of_what) {
    return {"K02",
            name_in_message(path) + " is " + with_commas(missing) + " bytes short of " + of_what,
            path, kCopyAgain};
}

// --- Other kinds of files -----------------------------------------------------------------------

constexpr const char* kConvert =
    "convert in Python: safetensors.torch.save_file(torch.load(FILE, weights_only=True), OUT)";

struct OtherFormat {
    std::string_view magic;
    const char* is;
    const char* attempt;
};

constexpr OtherFormat kOtherFormats[] = {
    {"version https://git-lfs", "is a git-lfs pointer, not the file itself", "git lfs pull"},
    {"PK\x03\x04",
     "is a zip file, as torch.save writes: a Python pickle; loading it could run code", kConvert},
    {"\x80\x02", "is a Python pickle; loading it could run code", kConvert},
    {"\x80\x03", "is a Python pickle; loading it could run code", kConvert},
    {"\x80\x04", "is a Python pickle; loading it could run code", kConvert},
    {"\x80\x05", "is a Python pickle; loading it could run code", kConvert},
    {"\x89HDF\r\n", "is an HDF5 file (Keras)", "convert it to safetensors in Python"},
    {"\x93NUMPY", "is a NumPy array", "save the arrays with safetensors.numpy.save_file"},
    {"GGUF", "is a GGUF file", "look for the safetensors file of the model"},
    {"\x1F\x8B", "is compressed with gzip", "gunzip it first"},
    {"{", "is JSON text, perhaps the index of a model in several parts",
     "give the .safetensors file itself"},
};

bool is_json_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

bool is_web_page(std::string_view text) {
    while (!text.empty() && is_json_space(text.front())) text.remove_prefix(1);
    std::string start(text.substr(0, 14));
    std::transform(start.begin(), start.end(), start.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    return start.starts_with("<!doctype html") || start.starts_with("<html");
}

[[noreturn]] void refuse_kind(const std::string& path, const std::string& is, const char* attempt) {
    throw Error("K01", name_in_message(path) + ' ' + is, path, attempt);
}

// `start` is the file's first bytes, at least nine.
void refuse_other_formats(std::string_view start, const std::string& path) {
    for (const OtherFormat& format : kOtherFormats)
        if (start.starts_with(format.magic)) refuse_kind(path, format.is, format.attempt);
    if (is_web_page(start))
        refuse_kind(path, "is a web page (HTML)",
                    "download the file itself; the link led to a page");
}

// N of the length prefix, once it is known to be within the limit and the file.
std::uint64_t checked_header_length(std::span<const std::byte> start, std::uint64_t file_size,
                                    const std::string& path) {
    if (file_size == 0) throw Error("K02", name_in_message(path) + " is empty", path, kCopyAgain);
    if (file_size < kPrefixBytes || start.size() < kPrefixBytes)
        throw truncated(path, kPrefixBytes - std::min<std::uint64_t>(start.size(), file_size),
                        "its first 8 bytes");
    const std::string_view text(reinterpret_cast<const char*>(start.data()), start.size());
    std::uint64_t length = 0;
    std::memcpy(&length, text.data(), kPrefixBytes);

    const bool plausible = length <= kMaxHeaderBytes && (text.size() == kPrefixBytes ||
                                                         text[8] == '{' || is_json_space(text[8]));
    if (!plausible && text.size() > kPrefixBytes) refuse_other_formats(text, path);
    if (length > kMaxHeaderBytes)
        throw Error("K06",
                    "header of " + with_commas(length) + " bytes is over the limit of " +
                        with_commas(kMaxHeaderBytes),
                    path, "check that this is a safetensors file; if so, copy it again");
    if (length > file_size - kPrefixBytes)
        throw truncated(path, length - (file_size - kPrefixBytes),
                        "the end of its header, at least");
    return length;
}

// --- The header ---------------------------------------------------------------------------------

struct DTypeName {
    std::string_view name;
    std::optional<DType> dtype;  // empty: in the format, but not supported
};

constexpr DTypeName kDTypes[] = {
    {"F32", DType::F32}, {"F16", DType::F16}, {"BF16", DType::BF16}, {"F64", DType::F64},
    {"I64", DType::I64}, {"I32", DType::I32}, {"U8", DType::U8},     {"BOOL", DType::Bool},
    {"I8", {}},          {"I16", {}},         {"U16", {}},           {"U32", {}},
    {"U64", {}},         {"C64", {}},         {"F8_E5M2", {}},       {"F8_E4M3", {}},
    {"F8_E8M0", {}},     {"F8_E4M3FNUZ", {}}, {"F8_E5M2FNUZ", {}},   {"F6_E2M3", {}},
    {"F6_E3M2", {}},     {"F4", {}},
};

/// Receives the JSON events of a header (nlohmann's SAX interface, because its DOM keeps the last of
/// duplicate keys in silence and turns -1, 1.9 and 2^64 into other numbers).
class HeaderBuilder {
public:
    using number_integer_t = json::number_integer_t;
    using number_unsigned_t = json::number_unsigned_t;
    using number_float_t = json::number_float_t;
    using string_t = json::string_t;
    using binary_t = json::binary_t;

    HeaderBuilder(SafetensorsHeader& header, const std::string& path)
        : header_(header), path_(path) {}

    bool null() { return wrong_type(); }
    bool boolean(bool) { return wrong_type(); }
    bool binary(binary_t&) { return wrong_type(); }
    // Positive integers below 2^64 arrive as unsigned; these are -1, 1.0, 1e3, 2^64.
    bool number_integer(number_integer_t) { return wrong_number(); }
    bool number_float(number_float_t, const string_t&) { return wrong_number(); }

    bool number_unsigned(number_unsigned_t value) {
        if (place_ == Place::Shape) {
            if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
                fail("K11", "an extent is over 2^63 - 1");
            if (tensor_.shape.rank == kMaxRank) fail("K06", "more than 6 dimensions");
            tensor_.shape.push_back(static_cast<std::int64_t>(value));
            return true;
        }
        if (place_ == Place::Offsets) {
            if (offsets_read_ == 2) fail("K09", "data_offsets holds more than two numbers");
            (offsets_read_++ == 0 ? tensor_.begin : tensor_.end) = value;
            return true;
        }
        return wrong_type();
    }

    bool string(string_t& value) {
        if (place_ == Place::Metadata) {
            if (!header_.metadata.emplace(key_, std::move(value)).second)
                fail("K08", "metadata key " + in_quotes(key_) + " occurs twice");
            limit_entries();
            return true;
        }
        if (place_ == Place::Entry && field_ == kDType) {
            set_dtype(value);
            return true;
        }
        return wrong_type();
    }

    bool start_object(std::size_t) {
        if (place_ == Place::Start) return enter(Place::Root);
        if (place_ != Place::Root) return wrong_type();
        if (key_ == "__metadata__") {
            if (std::exchange(metadata_seen_, true)) fail("K08", "__metadata__ occurs twice");
            return enter(Place::Metadata);
        }
        tensor_ = TensorInfo{key_, DType::F32, {}, 0, 0};
        fields_seen_ = 0;
        offsets_read_ = 0;
        return enter(Place::Entry);
    }

    bool key(string_t& text) {
        if (text.size() > kMaxNameBytes)
            fail("K06", "a name of " + with_commas(text.size()) + " bytes is over the limit of " +
                            with_commas(kMaxNameBytes));
        if (place_ == Place::Entry) {
            field_ = text == "dtype" ? kDType : text == "shape" ? kShape : kOffsets;
            if (field_ == kOffsets && text != "data_offsets")
                fail("K09", "unknown field " + in_quotes(text));
            if ((fields_seen_ & field_) != 0)
                fail("K08", "field " + in_quotes(text) + " occurs twice");
            fields_seen_ |= field_;
        } else {
            key_ = std::move(text);
        }
        return true;
    }

    bool end_object() {
        if (place_ == Place::Entry) {
            if (fields_seen_ != (kDType | kShape | kOffsets) || offsets_read_ != 2)
                fail("K09", "dtype, shape and two data_offsets are needed");
            check_size();
            header_.tensors.push_back(std::move(tensor_));
            limit_entries();
        }
        return enter(place_ == Place::Root ? Place::Done : Place::Root);
    }

    bool start_array(std::size_t) {
        if (place_ != Place::Entry || field_ == kDType) return wrong_type();
        return enter(field_ == kShape ? Place::Shape : Place::Offsets);
    }
    bool end_array() { return enter(Place::Entry); }

    bool parse_error(std::size_t position, const std::string&, const json::exception&) {
        throw Error("K07", "the header is not valid JSON at its byte " + with_commas(position),
                    path_, kWriteAgain);
    }

private:
    enum class Place { Start, Root, Metadata, Entry, Shape, Offsets, Done };
    enum Field : unsigned { kDType = 1, kShape = 2, kOffsets = 4 };

    bool enter(Place place) {
        place_ = place;
        return true;
    }

    [[noreturn]] void fail(const char* code, const std::string& what) const {
        const bool in_entry =
            place_ == Place::Entry || place_ == Place::Shape || place_ == Place::Offsets;
        throw Error(code, in_entry ? "tensor " + in_quotes(key_) + ": " + what : what, path_,
                    kWriteAgain);
    }

    bool wrong_type() const {
        switch (place_) {
            case Place::Start: fail("K07", "the header is not a JSON object");
            case Place::Root: fail("K09", "the value of " + in_quotes(key_) + " is not an object");
            case Place::Metadata: fail("K09", "metadata " + in_quotes(key_) + " is not a string");
            case Place::Entry: fail("K09", "a field has the wrong type");
            default: fail("K09", "shape or data_offsets holds something else than a number");
        }
    }

    bool wrong_number() const {
        if (place_ != Place::Shape && place_ != Place::Offsets) return wrong_type();
        fail("K09", "a number in shape or data_offsets is not a whole number from 0 to 2^64 - 1");
    }

    void limit_entries() const {
        if (header_.tensors.size() + header_.metadata.size() > kMaxHeaderEntries)
            fail("K06", "more than " + with_commas(kMaxHeaderEntries) + " entries");
    }

    void set_dtype(const std::string& name) {
        for (const DTypeName& known : kDTypes) {
            if (known.name != name) continue;
            if (!known.dtype)
                fail("K10",
                     "dtype " + name + " is not supported (F32 F16 BF16 F64 I64 I32 U8 BOOL are)");
            tensor_.dtype = *known.dtype;
            return;
        }
        fail("K10", "unknown dtype " + in_quotes(name));
    }

    // Zero extents are left out of the product, so that strides cannot overflow either.
    void check_size() const {
        std::int64_t bytes = static_cast<std::int64_t>(size_of(tensor_.dtype));
        bool empty = false;
        for (const std::int64_t extent : tensor_.shape) {
            empty = empty || extent == 0;
            if (__builtin_mul_overflow(bytes, std::max<std::int64_t>(extent, 1), &bytes))
                fail("K11", "the size overflows");
        }
        const std::uint64_t needed = empty ? 0 : static_cast<std::uint64_t>(bytes);
        if (tensor_.begin > tensor_.end) fail("K11", "data_offsets run backwards");
        if (tensor_.bytes() != needed)
            fail("K11", "dtype and shape need " + with_commas(needed) +
                            " bytes, data_offsets span " + with_commas(tensor_.bytes()));
    }

    SafetensorsHeader& header_;
    const std::string& path_;
    Place place_ = Place::Start;
    std::string key_;  // of the entry or the metadata text being read
    TensorInfo tensor_;
    unsigned field_ = 0, fields_seen_ = 0;
    int offsets_read_ = 0;
    bool metadata_seen_ = false;
};

void parse(std::string_view text, SafetensorsHeader& header, const std::string& path) {
    // The parser itself would skip a byte order mark, and take a NUL for the end of the text.
    const auto first = std::find_if_not(text.begin(), text.end(), is_json_space);
    const char* wrong = nullptr;
    if (first == text.end() || *first != '{')
        wrong = "the header does not start with {";
    else if (text.find('\0') != std::string_view::npos)
        wrong = "the header holds a NUL byte";
    else if (!is_valid_utf8(text))
        wrong = "the header is not UTF-8";
    if (wrong != nullptr) throw Error("K07", wrong, path, kWriteAgain);

    HeaderBuilder builder(header, path);
    json::sax_parse(text.begin(), text.end(), &builder);
}

void index_names(SafetensorsHeader& header, const std::string& path) {
    const std::vector<TensorInfo>& tensors = header.tensors;
    header.by_name.resize(tensors.size());
    std::iota(header.by_name.begin(), header.by_name.end(), 0U);
    std::sort(header.by_name.begin(), header.by_name.end(),
              [&](auto a, auto b) { return tensors[a].name < tensors[b].name; });
    const auto twice =
        std::adjacent_find(header.by_name.begin(), header.by_name.end(),
                           [&](auto a, auto b) { return tensors[a].name == tensors[b].name; });
    if (twice != header.by_name.end())
        throw Error("K08", "tensor " + in_quotes(tensors[*twice].name) + " occurs twice", path,
                    kWriteAgain);
}

// Tensors, in order of their offsets, must cover the data section exactly.
void check_coverage(const SafetensorsHeader& header, std::uint64_t data_bytes,
                    const std::string& path) {
    std::uint64_t covered = 0;
    for (const TensorInfo& t : header.tensors) {
        if (t.begin != covered)
            throw Error(
                "K12",
                "tensor " + in_quotes(t.name) + " begins at byte " + with_commas(t.begin) +
                    (t.begin < covered ? ", inside the one before" : ", with a hole before it") +
                    "; expected " + with_commas(covered),
                path, kWriteAgain);
        covered = t.end;
    }
    if (covered > data_bytes) throw truncated(path, covered - data_bytes, "its header");
    if (covered < data_bytes)
        throw Error("K13", with_commas(data_bytes - covered) + " bytes lie behind the last tensor",
                    path, kWriteAgain);
}

// --- Reading from a descriptor ------------------------------------------------------------------

Error cannot(const char* action, int errno_value, const std::string& path) {
    const std::string reason = std::generic_category().message(errno_value);
    return {"K05", std::string("cannot ") + action + ' ' + name_in_message(path) + ": " + reason,
            path, errno_value == EACCES ? "check the file's permissions" : "check the path"};
}

void read_exactly(int fd, std::uint64_t offset, std::span<std::byte> out, const std::string& path) {
    while (!out.empty()) {
        const ssize_t n = ::pread(fd, out.data(), out.size(), static_cast<off_t>(offset));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) throw cannot("read", errno, path);
        if (n == 0) throw truncated(path, out.size(), "what it was when it was opened, at least");
        offset += static_cast<std::uint64_t>(n);
        out = out.subspan(static_cast<std::size_t>(n));
    }
}

// Size of the regular file behind fd.
std::uint64_t checked_file_size(int fd, const std::string& path) {
    struct stat status {};
    if (::fstat(fd, &status) != 0) throw cannot("inspect", errno, path);
    if (S_ISDIR(status.st_mode))
        refuse_kind(path, "is a folder", "give the .safetensors file inside it");
    if (!S_ISREG(status.st_mode))
        refuse_kind(path, "is a pipe or a device, not a file", "save it to a file first");
    return static_cast<std::uint64_t>(status.st_size);
}

}  // namespace

const TensorInfo* SafetensorsHeader::find(std::string_view name) const {
    const auto it = std::lower_bound(
        by_name.begin(), by_name.end(), name,
        [this](std::uint32_t i, std::string_view wanted) { return tensors[i].name < wanted; });
    return it != by_name.end() && tensors[*it].name == name ? &tensors[*it] : nullptr;
}

SafetensorsHeader read_safetensors_header(std::span<const std::byte> file_prefix,
                                          std::uint64_t file_size, const std::string& path) {
    const std::uint64_t length = checked_header_length(file_prefix, file_size, path);
    if (file_prefix.size() - kPrefixBytes < length)
        throw truncated(path, length - (file_prefix.size() - kPrefixBytes),
                        "the end of its header");

    SafetensorsHeader header;
    header.data_begin = kPrefixBytes + length;
    parse({reinterpret_cast<const char*>(file_prefix.data()) + kPrefixBytes, length}, header, path);
    std::sort(header.tensors.begin(), header.tensors.end(),
              [](const TensorInfo& a, const TensorInfo& b) {
                  return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
              });
    index_names(header, path);
    check_coverage(header, file_size - header.data_begin, path);
    return header;
}

SafetensorsFile SafetensorsFile::open(const std::string& path) {
    // O_NONBLOCK: opening a pipe without a writer would wait for one.
    const int fd = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0) throw cannot("open", errno, path);
    SafetensorsFile file(path, fd);
    const std::uint64_t size = checked_file_size(fd, path);

    std::array<std::byte, kSniffBytes> first_bytes;
    const auto start = std::span(first_bytes).first(std::min<std::uint64_t>(size, kSniffBytes));
    read_exactly(fd, 0, start, path);
    std::vector<std::byte> prefix(kPrefixBytes + checked_header_length(start, size, path));
    read_exactly(fd, 0, prefix, path);
    file.header_ = read_safetensors_header(prefix, size, path);
    return file;
}

SafetensorsFile::~SafetensorsFile() {
    if (fd_ >= 0) ::close(fd_);
}

SafetensorsFile::SafetensorsFile(SafetensorsFile&& other) noexcept
    : path_(std::move(other.path_)), header_(std::move(other.header_)),
      fd_(std::exchange(other.fd_, -1)) {}

void SafetensorsFile::read(const TensorInfo& info, void* destination) const {
    read_exactly(fd_, header_.data_begin + info.begin,
                 {static_cast<std::byte*>(destination), info.bytes()}, path_);
}

}  // namespace fovea
