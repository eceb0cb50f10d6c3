// Any bytes are either a picture or Error D11.
#include "data/image_io.h"

#include <cstdlib>

#include "core/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    try {
        const fovea::Image image = fovea::decode_image({data, size}, "input", 3, {2048, 1 << 20});
        if (image.channels != 3 || image.pixels.size() != image.view().bytes()) std::abort();
    } catch (const fovea::Error& e) {
        if (e.code() != "D11") std::abort();
    }
    return 0;
}
