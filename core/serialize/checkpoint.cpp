#include "core/serialize/checkpoint.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <utility>

#include <xxhash.h>

#include "core/error.h"
#include "core/serialize/atomic_file.h"

namespace fovea {
namespace {

constexpr const char* kFormatKey = "fovea.checkpoint";
constexpr const char* kFormatVersion = "1";
constexpr const char* kHashKey = "xxh64";
constexpr const char* kNoHash = "0000000000000000";  // as long as a hash: the layout stays the same

// Exponent bits all ones: NaN or infinity.
template <class Bits>
std::optional<std::uint64_t> first_with_exponent(std::span<const std::byte> bytes, Bits exponent) {
    constexpr std::size_t kBlock =
        1024;  // search in blocks: the inner loop has no exit and vectorises
    const std::size_t count = bytes.size() / sizeof(Bits);
    const auto at = [&](std::size_t i) {
        Bits value;
        std::memcpy(&value, bytes.data() + i * sizeof(Bits), sizeof(Bits));
        return (value & exponent) == exponent;
    };
    for (std::size_t begin = 0; begin < count; begin += kBlock) {
        const std::size_t end = std::min(count, begin + kBlock);
        bool found = false;
        for (std::size_t i = begin; i < end; ++i) found |= at(i);
        for (std::size_t i = begin; found && i < end; ++i)
            if (at(i)) return i;
    }
    return std::nullopt;
}

void refuse_nonfinite(const Checkpoint& checkpoint) {
    for (const NamedTensor& t : checkpoint.tensors)
        if (const auto i = first_nonfinite(t.dtype, t.bytes))
            throw Error("N02",
                        "tensor " + t.name + " is not finite (element " + std::to_string(*i) +
                            "); the checkpoint was not saved",
                        "step " + std::to_string(checkpoint.step),
                        "go back to the last checkpoint; lower --lr, or --clip 1.0");
}

std::string class_key(std::size_t i) { return "class." + std::to_string(i); }

// All texts of the header; the hash is left at zero.
Metadata pack_metadata(const Checkpoint& c) {
    Metadata own = {{kFormatKey, kFormatVersion},
                    {kHashKey, kNoHash},
                    {"step", std::to_string(c.step)},
                    {"epoch", std::to_string(c.epoch)},
                    {"seed", std::to_string(c.seed)},
                    {"threads", std::to_string(c.threads)},
                    {"config", c.config},
                    {"config_hash", c.config_hash},
                    {"classes", std::to_string(c.classes.size())}};
    for (std::size_t i = 0; i < c.classes.size(); ++i) own.emplace(class_key(i), c.classes[i]);
    for (const auto& [key, value] : c.metadata)
        if (!own.emplace(key, value).second)
            throw Error("K17", "the metadata name is taken by checkpoints", key,
                        "choose another name");
    return own;
}

// Removes and returns one text.
std::string take(Metadata& metadata, const std::string& key, const std::string& path) {
    const auto node = metadata.extract(key);
    if (node.empty())
        throw Error("K15", "checkpoint without " + key, path, "take another checkpoint");
    return node.mapped();
}

std::uint64_t take_number(Metadata& metadata, const std::string& key, const std::string& path) {
    const std::string text = take(metadata, key, path);
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size())
        throw Error("K15", key + " is not a number: " + text, path, "take another checkpoint");
    return value;
}

void unpack_metadata(Metadata metadata, Checkpoint& c, const std::string& path) {
    c.step = take_number(metadata, "step", path);
    c.epoch = take_number(metadata, "epoch", path);
    c.seed = take_number(metadata, "seed", path);
    c.threads = take_number(metadata, "threads", path);
    c.config = take(metadata, "config", path);
    c.config_hash = take(metadata, "config_hash", path);
    const std::uint64_t classes = take_number(metadata, "classes", path);
    for (std::size_t i = 0; i < classes; ++i)
        c.classes.push_back(take(metadata, class_key(i), path));
    metadata.erase(kFormatKey);
    metadata.erase(kHashKey);
    c.metadata = std::move(metadata);
}

// Hash of the file that `layout` and `tensors` describe.
std::string hash_content(const SafetensorsLayout& layout, std::span<const NamedTensor> tensors) {
    const std::unique_ptr<XXH64_state_t, XXH_errorcode (*)(XXH64_state_t*)> state(
        XXH64_createState(), XXH64_freeState);
    XXH64_reset(state.get(), 0);
    XXH64_update(state.get(), layout.header.data(), layout.header.size());
    for (const std::size_t i : layout.order)
        if (!tensors[i].bytes.empty())
            XXH64_update(state.get(), tensors[i].bytes.data(), tensors[i].bytes.size());
    return hex16(XXH64_digest(state.get()));
}

SafetensorsLayout hashed_layout(const Checkpoint& checkpoint) {
    refuse_nonfinite(checkpoint);
    Metadata metadata = pack_metadata(checkpoint);
    metadata[kHashKey] =
        hash_content(layout_safetensors(checkpoint.tensors, metadata), checkpoint.tensors);
    return layout_safetensors(checkpoint.tensors, metadata);
}

/// Keeps the file at `from` by a second name while `from` is replaced, and at last puts it at `to`. A
/// plain rename of `from` would leave a moment at which, if `from` is damaged, neither is intact.
class PreviousFile {
public:
    PreviousFile(const std::string& from, std::string to)
        : to_(std::move(to)), link_(to_ + ".tmp." + std::to_string(::getpid())) {
        ::unlink(link_.c_str());
        if (::link(from.c_str(), link_.c_str()) == 0) return;
        // No file yet, or a file system without hard links, where the rename must do.
        if (errno != ENOENT && std::rename(from.c_str(), to_.c_str()) != 0)
            throw file_error(errno, "rename the last checkpoint to", to_);
        link_.clear();
    }
    ~PreviousFile() {
        if (!link_.empty()) ::unlink(link_.c_str());
    }
    PreviousFile(const PreviousFile&) = delete;
    PreviousFile& operator=(const PreviousFile&) = delete;

    void commit(const std::string& dir) {
        if (link_.empty()) return;
        if (std::rename(link_.c_str(), to_.c_str()) != 0)
            throw file_error(errno, "rename the checkpoint before to", to_);
        sync_directory(dir);
    }

private:
    std::string to_, link_;
};

}  // namespace

std::string hex16(std::uint64_t value) {
    char text[17];
    std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(value));
    return text;
}

const NamedTensor* Checkpoint::find(std::string_view name) const {
    const auto it = std::find_if(tensors.begin(), tensors.end(),
                                 [&](const NamedTensor& t) { return t.name == name; });
    return it == tensors.end() ? nullptr : &*it;
}

std::string hash_text(std::string_view text) { return hex16(XXH64(text.data(), text.size(), 0)); }

std::optional<std::uint64_t> first_nonfinite(DType dtype, std::span<const std::byte> bytes) {
    switch (dtype) {
        case DType::F64: return first_with_exponent<std::uint64_t>(bytes, 0x7FF0'0000'0000'0000);
        case DType::F32: return first_with_exponent<std::uint32_t>(bytes, 0x7F80'0000);
        case DType::BF16: return first_with_exponent<std::uint16_t>(bytes, 0x7F80);
        case DType::F16: return first_with_exponent<std::uint16_t>(bytes, 0x7C00);
        default: return std::nullopt;
    }
}

void write_checkpoint(const std::string& path, const Checkpoint& checkpoint) {
    const SafetensorsLayout layout = hashed_layout(checkpoint);
    AtomicFile file(path, layout.file_bytes);
    write_safetensors(file, layout, checkpoint.tensors);
    file.commit();
}

void save_checkpoint(const std::string& dir, const Checkpoint& checkpoint) {
    const std::string last = dir + '/' + kLastCheckpoint;
    const SafetensorsLayout layout = hashed_layout(checkpoint);
    AtomicFile file(last, layout.file_bytes);
    write_safetensors(file, layout, checkpoint.tensors);
    file.close();
    PreviousFile previous(last, dir + '/' + kPreviousCheckpoint);
    file.commit();
    previous.commit(dir);
}

Checkpoint load_checkpoint(const std::string& path) {
    const SafetensorsFile file = SafetensorsFile::open(path);
    Metadata metadata = file.metadata();
    const auto version = metadata.find(kFormatKey);
    if (version == metadata.end())
        throw Error("K15", "holds weights, but is not a checkpoint", path,
                    "--init FILE loads weights");
    if (version->second != kFormatVersion)
        throw Error("K15",
                    "checkpoint of format version " + version->second + ", this program reads " +
                        kFormatVersion,
                    path, "use the version of the program that wrote it");

    Checkpoint checkpoint;
    const std::uint64_t data_bytes = file.tensors().empty() ? 0 : file.tensors().back().end;
    const auto data = std::make_shared_for_overwrite<std::byte[]>(data_bytes);
    checkpoint.storage = data;
    for (const TensorInfo& info : file.tensors()) {
        file.read(info, data.get() + info.begin);
        checkpoint.tensors.push_back(
            {info.name, info.dtype, info.shape, {data.get() + info.begin, info.bytes()}});
    }

    const std::string stored = std::exchange(metadata[kHashKey], kNoHash);
    const SafetensorsLayout layout = layout_safetensors(checkpoint.tensors, metadata);
    if (hash_content(layout, checkpoint.tensors) != stored)
        throw Error("K14", "checkpoint is damaged: its content does not match its hash", path,
                    "copy it again, or take the one before");
    unpack_metadata(std::move(metadata), checkpoint, path);
    return checkpoint;
}

LoadedCheckpoint load_newest_checkpoint(const std::string& dir) {
    std::string failures;
    for (const char* name : {kLastCheckpoint, kPreviousCheckpoint}) {
        const std::string path = dir + '/' + name;
        try {
            LoadedCheckpoint loaded{load_checkpoint(path), path, {}};
            if (!failures.empty())
                loaded.warning = "took " + std::string(name) + " of step " +
                                 std::to_string(loaded.checkpoint.step) + ", because: " + failures;
            return loaded;
        } catch (const Error& e) {
            failures += (failures.empty() ? "" : "; ") + std::string(name) + ": " + e.message();
        }
    }
    throw Error("K16", "no intact checkpoint (" + failures + ")", dir,
                "give the folder that holds last.ckpt.safetensors, or start anew without --resume");
}

}  // namespace fovea
