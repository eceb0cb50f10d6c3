// Fuzz target: the safetensors header reader on arbitrary files. Whatever it accepts must be safe to
// use: extents and offsets that agree and cover the data section.
#include <cstdint>
#include <cstdlib>
#include <span>

#include "core/error.h"
#include "core/serialize/safetensors.h"

namespace {

void require(bool condition) {
    if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    try {
        const auto header =
            fovea::read_safetensors_header(std::as_bytes(std::span(data, size)), size);
        std::uint64_t covered = 0;
        for (const fovea::TensorInfo& t : header.tensors) {
            require(t.begin == covered && t.end >= t.begin);
            require(t.bytes() == static_cast<std::uint64_t>(t.shape.numel()) * size_of(t.dtype));
            require(header.find(t.name) == &t);
            covered = t.end;
        }
        require(header.data_begin + covered == size);
    } catch (const fovea::Error& e) {
        require(e.code().size() == 3 && e.code()[0] == 'K');
    }
    return 0;
}
