// Recursive descent from tokens to the tree.
#pragma once

#include "tests/cudaemu/ptx/lexer.h"
#include "tests/cudaemu/ptx/tree.h"

namespace fovea::cudaemu::ptx {

class Parser {
public:
    explicit Parser(Module& m) : mod_(m), tokens_(tokenize(m.text)) {}
    void run();

private:
    // ---- tokens
    const Token& cur() const { return tokens_[next_]; }
    const Token& peek() const { return tokens_[std::min(next_ + 1, tokens_.size() - 1)]; }
    std::string_view take() { return tokens_[next_++].text; }
    bool accept(char c);
    void expect(char c);
    std::string word();
    i64 integer();
    void skip_line();
    void skip_past(char c);
    void skip_pair(char open, char close);
    [[noreturn]] void error(const std::string& message);

    // ---- declarations: parse_declarations.cpp
    void top();
    void location();
    void file();
    Var* variable(bool parameter);
    void variable_attribute(Var& v, const std::string& name, int& elements);
    void initialiser(Var& v);
    void initial_list(Var& v, u64& offset);
    void initial_value(Var& v, u64& offset);
    void symbol(Reloc& r);
    void function();
    void function_attribute(Function& f);
    std::vector<Var*> parameters();

    // ---- bodies: parse_body.cpp
    void body();
    void open_scope();
    void labelled();
    void directive();
    void registers();
    void instruction();
    Operand operand();
    Operand list(char close, Operand::Kind kind);
    Operand address();
    Operand number(bool negative);
    Operand named(const std::string& name);
    int find_register(const std::string& name) const;
    Var* find_variable(const std::string& name) const;

    struct RegisterRange {  // %r<N>
        int first, count;
    };
    struct Scope {
        int id = 0;
        std::unordered_map<std::string, int> registers;
        std::unordered_map<std::string, RegisterRange> ranges;
        std::unordered_map<std::string, Var*> variables;
    };

    Module& mod_;
    const std::vector<Token> tokens_;
    size_t next_ = 0;
    Function* fn_ = nullptr;  // whose body it is
    std::vector<Scope> scopes_;
    int loc_ = -1;  // the source line that holds now
};

}  // namespace fovea::cudaemu::ptx
