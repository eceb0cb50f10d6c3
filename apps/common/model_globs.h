// Models chosen on a command line: 'cvt*' 'vit_?_16'.
#pragma once

#include <string>
#include <vector>

namespace fovea::apps {

/// The registered names that match one of the patterns (* and ?), sorted; all of them without a pattern.
/// Error C20 if there is none.
std::vector<std::string> models_matching(std::vector<std::string> globs);

}  // namespace fovea::apps
