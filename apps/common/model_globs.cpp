#include "apps/common/model_globs.h"

#include <fnmatch.h>

#include "core/error.h"
#include "models/registry.h"

namespace fovea::apps {

std::vector<std::string> models_matching(std::vector<std::string> globs) {
    if (globs.empty()) globs = {"*"};
    std::vector<std::string> chosen;
    std::string known;
    for (const std::string& name : model_names()) {
        known += (known.empty() ? "" : ", ") + name;
        for (const std::string& glob : globs)
            if (fnmatch(glob.c_str(), name.c_str(), 0) == 0) {
                chosen.push_back(name);
                break;
            }
    }
    if (chosen.empty()) throw Error("C20", "no model matches", "GLOB", "some of " + known);
    return chosen;
}

}  // namespace fovea::apps
