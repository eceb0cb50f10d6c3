#include "tests/cudaemu/ptx/lexer.h"

namespace emu::ptx {

static bool word_start(char c) {
    return isalpha(u8(c)) || c == '_' || c == '$' || c == '%' || c == '.';
}
static bool word_char(char c) {
    return isalnum(u8(c)) || c == '_' || c == '$' || c == '.' || c == '%';
}

std::vector<Token> tokenize(std::string_view s) {
    std::vector<Token> out;
    out.reserve(s.size() / 4);
    size_t i = 0, n = s.size();
    int line = 1;
    while (i < n && s[i]) {
        char c = s[i];
        if (c == '\n') {
            line++;
            i++;
            continue;
        }
        if (isspace(u8(c))) {
            i++;
            continue;
        }
        if (c == '/' && i + 1 < n && s[i + 1] == '/') {
            while (i < n && s[i] != '\n') i++;
            continue;
        }
        if (c == '/' && i + 1 < n && s[i + 1] == '*') {
            i += 2;
            while (i + 1 < n && !(s[i] == '*' && s[i + 1] == '/')) {
                if (s[i] == '\n') line++;
                i++;
            }
            i += 2;
            continue;
        }
        size_t b = i;
        Token t;
        t.line = line;
        if (c == '"') {
            i++;
            while (i < n && s[i] != '"') i += s[i] == '\\' ? 2 : 1;
            i++;
            t.kind = Token::String;
            t.text = s.substr(b + 1, i - b - 2);
        } else if (isdigit(u8(c))) {
            bool hex = c == '0' && i + 1 < n && (s[i + 1] == 'x' || s[i + 1] == 'X');
            bool bits = c == '0' && i + 1 < n && strchr("fFdD", s[i + 1]);
            i++;
            while (i < n) {
                char d = s[i];
                if (isalnum(u8(d)) || d == '.')
                    i++;
                else if ((d == '+' || d == '-') && !hex && !bits &&
                         (s[i - 1] == 'e' || s[i - 1] == 'E'))
                    i++;
                else
                    break;
            }
            t.kind = Token::Number;
            t.text = s.substr(b, i - b);
        } else if (word_start(c)) {
            i++;
            while (i < n) {
                if (s[i] == '.' && c == '.')
                    break;  // ".reg.b32" is two directives
                else if (word_char(s[i]))
                    i++;
                else if (s[i] == ':' && i + 2 < n && s[i + 1] == ':' && word_char(s[i + 2]))
                    i += 2;  // .L2::128B
                else
                    break;
            }
            t.kind = Token::Word;
            t.text = s.substr(b, i - b);
        } else {
            i++;
            t.kind = Token::Punct;
            t.text = s.substr(b, 1);
        }
        out.push_back(t);
    }
    Token e;
    e.line = line;
    out.push_back(e);
    return out;
}

}  // namespace emu::ptx
