// Tokeniser for PTX text.
#pragma once
#include "tests/cudaemu/base.h"

namespace emu::ptx {

struct Token {
    enum Kind : u8 { End, Word, Number, String, Punct } kind = End;
    std::string_view text;
    int line = 0;
    bool is(char c) const { return kind == Punct && text[0] == c; }
    bool is(const char* w) const { return kind == Word && text == w; }
};

std::vector<Token> tokenize(std::string_view src);

}  // namespace emu::ptx
