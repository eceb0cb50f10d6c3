// Checkpoints: everything a run needs to go on, in one safetensors file.
//
// A folder holds two: last.ckpt.safetensors and, one save older, prev.ckpt.safetensors. A save ends in
// renames in such an order that after a kill or a power loss at any moment at least one is intact.
//
// The header's metadata holds: fovea.checkpoint (format version), step, epoch, seed, threads, config,
// config_hash, classes (their number), class.0, class.1, ..., xxh64, and the caller's own texts.
// xxh64 is the hash of the whole canonical file with zeros in the hash's place, so it covers names,
// shapes and texts as well as data.
//
// Error codes, besides those of safetensors.h and atomic_file.h:
//   K14  the content does not match its hash
//   K15  not a checkpoint of ours, or of another version
//   K16  no intact checkpoint in the folder
//   N02  a tensor to be saved is not finite
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/serialize/safetensors.h"

namespace fovea {

inline constexpr const char* kLastCheckpoint = "last.ckpt.safetensors";
inline constexpr const char* kPreviousCheckpoint = "prev.ckpt.safetensors";

struct Checkpoint {
    std::uint64_t step = 0;   ///< optimizer steps done
    std::uint64_t epoch = 0;  ///< epochs done
    std::uint64_t seed = 0;
    std::uint64_t threads = 0;  ///< compute threads: they decide the order of some sums
    std::string config;         ///< the resolved recipe
    std::string config_hash;    ///< hash_text() of the part of it that alters the maths
    std::vector<std::string> classes;
    Metadata metadata;  ///< any other texts; the names listed above are taken

    std::vector<NamedTensor>
        tensors;  ///< borrowed when saving; pointing into `storage` when loaded
    std::shared_ptr<const std::byte[]> storage;

    /// The tensor of that name, or null. Linear in the number of tensors.
    const NamedTensor* find(std::string_view name) const;
};

/// 16 hexadecimal digits.
std::string hex16(std::uint64_t value);

/// xxh64 of a text, as hex16 writes it.
std::string hash_text(std::string_view text);

/// Index of the first element that is NaN or infinite; none for integer dtypes.
std::optional<std::uint64_t> first_nonfinite(DType dtype, std::span<const std::byte> bytes);

/// Writes one file (best.ckpt.safetensors, an export) atomically. Throws N02 before anything is
/// written, K17, F01, F02, F03.
void write_checkpoint(const std::string& path, const Checkpoint& checkpoint);

/// Saves as DIR/last.ckpt.safetensors and keeps the one before as DIR/prev.ckpt.safetensors. Throws as
/// write_checkpoint; then both files are as they were, or, if only keeping the one before failed, last
/// is the new one.
void save_checkpoint(const std::string& dir, const Checkpoint& checkpoint);

/// Reads one file and verifies its hash. Throws K01 ... K15.
Checkpoint load_checkpoint(const std::string& path);

struct LoadedCheckpoint {
    Checkpoint checkpoint;
    std::string path;
    std::string warning;  ///< why an older one was taken; empty if the newest was intact
};

/// The newest intact checkpoint of a folder. Throws K16 if there is none.
LoadedCheckpoint load_newest_checkpoint(const std::string& dir);

}  // namespace fovea
