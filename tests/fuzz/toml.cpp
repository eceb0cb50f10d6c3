// Any text is either a recipe or an Error C.., and what it sets survives the way out and in again.
#include <cstdlib>

#include "apps/common/recipe.h"
#include "core/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace fovea::apps;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    Config config;
    try {
        // No base from the disk: the folder does not exist.
        apply_toml(config, text, "input.toml", "/nonexistent");
    } catch (const fovea::Error& e) {
        if (e.code()[0] != 'C') std::abort();
        return 0;
    }
    Config again;
    apply_toml(again, config.to_toml(), "again.toml", "/nonexistent");
    if (again.hash() != config.hash() || !diff(config, again).empty()) std::abort();
    return 0;
}
