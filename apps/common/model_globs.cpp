#include "apps/common/model_globs.h"

#include <fnmatch.h>

#include "core/error.h"
#include "core/suggest.h"
#include "models/registry.h"

namespace fovea::apps {
namespace {

/// What to try for patterns that match nothing: the names nearest to them without * and ?.
std::string advice(const std::vector<std::string>& globs) {
    std::string text;
    for (std::string glob : globs) {
        std::erase_if(glob, [](char c) { return c == '*' || c == '?'; });
        const std::string near = suggest(glob, model_names());
        if (!near.empty()) text += near + "; ";
    }
    return text + "./fovea models lists all";
}

}  // namespace

std::vector<std::string> models_matching(std::vector<std::string> globs) {
    if (globs.empty()) globs = {"*"};
    std::vector<std::string> chosen;
    for (const std::string& name : model_names())
        for (const std::string& glob : globs)
            if (fnmatch(glob.c_str(), name.c_str(), 0) == 0) {
                chosen.push_back(name);
                break;
            }
    if (chosen.empty()) {
        std::string all;
        for (const std::string& glob : globs) all += " " + glob;
        throw Error("C20", "no model matches" + all, "GLOB", advice(globs));
    }
    return chosen;
}

}  // namespace fovea::apps
