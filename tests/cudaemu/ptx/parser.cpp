#include "tests/cudaemu/ptx/parser.h"

namespace fovea::cudaemu::ptx {

void Parser::run() {
    while (cur().kind != Token::End) top();
}

void Parser::error(const std::string& message) {
    const int line = cur().line;
    const bool known = line >= 1 && line <= int(mod_.lines.size());
    die(format("PTX parse error at line %d: %s (near '%.*s')\n  %s", line, message.c_str(),
               int(cur().text.size()), cur().text.data(),
               known ? mod_.lines[size_t(line - 1)].c_str() : ""));
}

bool Parser::accept(char c) {
    if (!cur().is(c)) return false;
    next_++;
    return true;
}

void Parser::expect(char c) {
    if (!accept(c)) error(format("expected '%c'", c));
}

std::string Parser::word() {
    if (cur().kind != Token::Word) error("expected a name");
    return std::string(take());
}

i64 Parser::integer() {
    const bool negative = accept('-');
    if (cur().kind != Token::Number) error("expected an integer");
    const i64 v = i64(strtoull(std::string(take()).c_str(), nullptr, 0));
    return negative ? -v : v;
}

void Parser::skip_line() {
    const int line = cur().line;
    while (cur().kind != Token::End && cur().line == line) next_++;
}

void Parser::skip_past(char c) {
    while (!accept(c)) {
        if (cur().kind == Token::End) error(format("expected '%c'", c));
        next_++;
    }
}

// From an opening bracket past the closing one.
void Parser::skip_pair(char open, char close) {
    expect(open);
    for (int depth = 1; depth; next_++) {
        if (cur().kind == Token::End) error(format("expected '%c'", close));
        depth += int(cur().is(open)) - int(cur().is(close));
    }
}

std::unique_ptr<Module> parse_ptx(std::string text) {
    auto m = std::make_unique<Module>();
    m->text = std::move(text);
    for (size_t begin = 0; begin < m->text.size();) {
        const size_t end = std::min(m->text.find('\n', begin), m->text.size());
        m->lines.push_back(m->text.substr(begin, end - begin));
        begin = end + 1;
    }
    Parser(*m).run();
    return m;
}

}  // namespace fovea::cudaemu::ptx
