// Any bytes are either an idx array, plain or gzip, or an Error.
#include "data/idx.h"

#include <cstdlib>

#include "core/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    try {
        const fovea::IdxArray a = fovea::read_idx({data, size}, "input");
        if (a.bytes.size() != static_cast<std::size_t>(a.shape.numel()) * size_of(a.type))
            std::abort();
    } catch (const fovea::Error& e) {
        if (e.code()[0] != 'D') std::abort();
    }
    return 0;
}
