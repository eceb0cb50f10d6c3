// Any text is either a model description with class names or Error K19.
#include <cstdlib>

#include "apps/common/model_card.h"
#include "core/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace fovea::apps;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    try {
        const auto names = class_names_in_card(text, "config.json");
        if (names.size() > kMaxClasses) std::abort();
    } catch (const fovea::Error& e) {
        if (e.code() != "K19") std::abort();
    }
    return 0;
}
