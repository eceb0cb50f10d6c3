// UTF-8 checking (RFC 3629): what may go into a JSON text.
#pragma once

#include <string_view>

namespace fovea {

/// True where `text` is well-formed UTF-8: no overlong forms, no surrogates, nothing above U+10FFFF.
bool is_valid_utf8(std::string_view text);

}  // namespace fovea
