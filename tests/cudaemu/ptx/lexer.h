// PTX text as tokens.
#pragma once

#include <string_view>
#include <vector>

#include "tests/cudaemu/base.h"

namespace fovea::cudaemu::ptx {

struct Token {
    enum Kind : u8 { End, Word, Number, String, Punct } kind = End;
    std::string_view text;  // of a string: without its quotes
    int line = 0;

    bool is(char c) const { return kind == Punct && text[0] == c; }
    bool is(const char* word) const { return kind == Word && text == word; }
    bool is_directive() const { return kind == Word && text[0] == '.'; }
};

/// Ends with a token of kind End. The tokens refer to the text.
std::vector<Token> tokenize(std::string_view text);

}  // namespace fovea::cudaemu::ptx
