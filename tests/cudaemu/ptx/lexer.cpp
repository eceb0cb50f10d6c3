#include "tests/cudaemu/ptx/lexer.h"

namespace fovea::cudaemu::ptx {

namespace {

bool starts_word(char c) { return isalpha(u8(c)) || strchr("_$%.", c); }
bool continues_word(char c) { return isalnum(u8(c)) || strchr("_$%.", c); }

class Lexer {
public:
    explicit Lexer(std::string_view text) : s_(text) {}

    std::vector<Token> run() {
        std::vector<Token> out;
        out.reserve(s_.size() / 4);
        for (skip_blanks(); at() != '\0'; skip_blanks()) out.push_back(next());
        Token end;
        end.line = line_;
        out.push_back(end);
        return out;
    }

private:
    char at(size_t ahead = 0) const { return i_ + ahead < s_.size() ? s_[i_ + ahead] : '\0'; }

    // Blanks and comments.
    void skip_blanks() {
        while (at() != '\0') {
            if (at() == '/' && at(1) == '/') {
                while (at() != '\0' && at() != '\n') i_++;
            } else if (at() == '/' && at(1) == '*') {
                for (i_ += 2; at() != '\0' && !(at() == '*' && at(1) == '/'); i_++)
                    line_ += at() == '\n';
                i_ += 2;
            } else if (isspace(u8(at()))) {
                line_ += at() == '\n';
                i_++;
            } else {
                return;
            }
        }
    }

    Token next() {
        const size_t begin = i_;
        Token t;
        t.line = line_;
        if (at() == '"') {
            for (i_++; at() != '\0' && at() != '"';) i_ += at() == '\\' ? 2 : 1;
            i_++;
            t.kind = Token::String;
            t.text = s_.substr(begin + 1, i_ - begin - 2);
            return t;
        }
        if (isdigit(u8(at()))) {
            number();
            t.kind = Token::Number;
        } else if (starts_word(at())) {
            word();
            t.kind = Token::Word;
        } else {
            i_++;
            t.kind = Token::Punct;
        }
        t.text = s_.substr(begin, i_ - begin);
        return t;
    }

    void number() {
        const bool no_exponent = at() == '0' && at(1) != '\0' && strchr("xXfFdD", at(1));
        auto signs_exponent = [&] {  // the sign in 1e-5
            return !no_exponent && (at() == '+' || at() == '-') && strchr("eE", s_[i_ - 1]);
        };
        do i_++;
        while (isalnum(u8(at())) || at() == '.' || (at() != '\0' && signs_exponent()));
    }

    void word() {
        const bool directive = at() == '.';  // ".reg.b32" is two
        for (i_++; at() != '\0';) {
            if (directive && at() == '.') return;
            if (continues_word(at()))
                i_++;
            else if (at() == ':' && at(1) == ':' && at(2) != '\0' && continues_word(at(2)))
                i_ += 2;  // .L2::128B
            else
                return;
        }
    }

    const std::string_view s_;
    size_t i_ = 0;
    int line_ = 1;
};

}  // namespace

std::vector<Token> tokenize(std::string_view text) { return Lexer(text).run(); }

}  // namespace fovea::cudaemu::ptx
