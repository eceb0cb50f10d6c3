// The body of a function: scopes, labels, registers, instructions.
#include "tests/cudaemu/ptx/parser.h"

namespace fovea::cudaemu::ptx {

void Parser::body() {
    loc_ = -1;
    scopes_.clear();
    expect('{');
    open_scope();
    for (Var* v : fn_->params) scopes_.back().variables[v->name] = v;
    for (Var* v : fn_->rets) scopes_.back().variables[v->name] = v;
    while (!scopes_.empty()) {
        if (cur().kind == Token::End) error("unexpected end of file in function body");
        if (accept(';')) continue;
        if (accept('{'))
            open_scope();
        else if (accept('}'))
            scopes_.pop_back();
        else if (cur().is_directive())
            directive();
        else if (cur().kind == Token::Word && peek().is(':'))
            labelled();
        else
            instruction();
    }
}

void Parser::open_scope() {
    Scope s;
    s.id = int(fn_->scope_parent.size());
    fn_->scope_parent.push_back(scopes_.empty() ? -1 : scopes_.back().id);
    scopes_.push_back(std::move(s));
}

// name: of an instruction, of a branch table, or of what calls through pointers declare
void Parser::labelled() {
    const std::string name = word();
    next_++;
    if (cur().is(".branchtargets")) {
        next_++;
        std::vector<std::string>& table = fn_->branch_tables[name];
        do table.push_back(word());
        while (accept(','));
        expect(';');
    } else if (cur().is(".callprototype") || cur().is(".calltargets")) {
        skip_past(';');
    } else {
        fn_->labels[{scopes_.back().id, name}] = u32(fn_->code.size());
    }
}

void Parser::directive() {
    if (cur().is(".loc")) return location();
    if (cur().is(".file")) return file();
    if (cur().is(".pragma")) return skip_past(';');
    if (cur().is(".reg")) return registers();
    Var* v = variable(false);
    expect(';');
    scopes_.back().variables[v->name] = v;
    fn_->locals.push_back(v);
}

// .reg .type name, name<count>, ...;
void Parser::registers() {
    next_++;
    Type type = Type::None;
    while (cur().is_directive()) type = parse_type(word().substr(1));
    if (type == Type::None) error("unknown register type");
    do {
        const std::string name = word();
        const int first = int(fn_->regs.size());
        if (accept('<')) {
            const int count = int(integer());
            expect('>');
            scopes_.back().ranges[name] = {first, count};
            fn_->regs.resize(size_t(first + count), {type, ""});
        } else {
            scopes_.back().registers[name] = first;
            fn_->regs.push_back({type, name});
        }
    } while (accept(','));
    expect(';');
}

int Parser::find_register(const std::string& name) const {
    const size_t digits = name.find_last_not_of("0123456789") + 1;
    for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
        const auto it = scope->registers.find(name);
        if (it != scope->registers.end()) return it->second;
        if (digits == name.size()) continue;
        const auto range = scope->ranges.find(name.substr(0, digits));
        const int index = atoi(name.c_str() + digits);
        if (range != scope->ranges.end() && index < range->second.count)
            return range->second.first + index;
    }
    return -1;
}

Var* Parser::find_variable(const std::string& name) const {
    for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
        const auto it = scope->variables.find(name);
        if (it != scope->variables.end()) return it->second;
    }
    const auto it = mod_.globals.find(name);
    return it == mod_.globals.end() ? nullptr : it->second;
}

// ---- instructions -------------------------------------------------------------------------------

static std::vector<std::string> split(const std::string& s) {
    std::vector<std::string> out;
    for (size_t begin = 0;;) {
        const size_t end = s.find('.', begin);
        out.push_back(s.substr(begin, end - begin));
        if (end == std::string::npos) return out;
        begin = end + 1;
    }
}

// [@[!]predicate] opcode operand, operand, ...;
void Parser::instruction() {
    Instr in;
    in.line = cur().line;
    in.loc = loc_;
    if (accept('@')) {
        in.guard_neg = accept('!');
        const std::string name = word();
        in.guard = find_register(name);
        if (in.guard < 0) error("unknown guard predicate " + name);
    }
    in.op = word();
    in.parts = split(in.op);
    while (!accept(';')) {
        in.ops.push_back(operand());
        if (!accept(',') && !cur().is(';')) error("expected ',' or ';'");
    }
    fn_->code.push_back(std::move(in));
}

Operand Parser::operand() {
    if (accept('{')) return list('}', Operand::Vec);
    if (accept('(')) return list(')', Operand::List);
    if (accept('[')) return address();
    bool minus = false, inverted = false;
    while (cur().is('-') || cur().is('+') || cur().is('!')) {
        const std::string_view sign = take();
        minus ^= sign == "-";
        inverted |= sign == "!";
    }
    Operand o;
    if (cur().kind == Token::Number) {
        o = number(minus);
    } else {
        o = named(word());
        o.neg = minus || inverted;
    }
    if (!accept('|')) return o;
    Operand pair;  // d|p
    pair.kind = Operand::List;
    pair.elems = {o, operand()};
    return pair;
}

Operand Parser::list(char close, Operand::Kind kind) {
    Operand o;
    o.kind = kind;
    while (!accept(close)) {
        o.elems.push_back(operand());
        accept(',');
    }
    return o;
}

// [register or variable + constant, coordinates]
Operand Parser::address() {
    Operand o;
    o.kind = Operand::Addr;
    while (!accept(']')) {
        if (accept(',')) {
            o.elems.push_back(operand());
            continue;
        }
        bool minus = false;
        while (cur().is('+') || cur().is('-')) minus ^= take() == "-";
        if (cur().kind == Token::Number) {
            o.imm += number(minus).imm;
            continue;
        }
        const std::string name = word();
        const int reg = find_register(name);
        if (reg >= 0 && o.reg >= 0) error("two registers in an address");
        if (reg >= 0)
            o.reg = reg;
        else if (Var* v = find_variable(name))
            o.var = v;
        else
            error("unknown address base " + name);
    }
    return o;
}

Operand Parser::number(bool negative) {
    const std::string text(take());
    const char* const digits = text.c_str() + std::min<size_t>(2, text.size());
    const char prefix = text.size() > 2 && text[0] == '0' ? char(tolower(text[1])) : '\0';
    Operand o;
    if (prefix == 'f') {  // 0f3F800000
        o.kind = Operand::F32;
        o.imm = i64(strtoull(digits, nullptr, 16));
        if (negative) o.imm ^= i64(0x80000000);
    } else if (prefix == 'd') {
        o.kind = Operand::F64;
        o.imm = i64(strtoull(digits, nullptr, 16) ^ (negative ? 1ull << 63 : 0));
    } else if (text.find('.') != std::string::npos ||
               (prefix != 'x' && text.find_first_of("eE") != std::string::npos)) {
        const double v = strtod(text.c_str(), nullptr);
        o.kind = Operand::F64;
        o.imm = std::bit_cast<i64>(negative ? -v : v);
    } else {
        const u64 v =
            prefix == 'b' ? strtoull(digits, nullptr, 2) : strtoull(text.c_str(), nullptr, 0);
        o.imm = i64(negative ? 0 - v : v);
    }
    return o;
}

Operand Parser::named(const std::string& name) {
    Operand o;
    o.name = name;
    o.scope = scopes_.back().id;
    o.reg = find_register(name);
    if (name == "_") {
        o.kind = Operand::Sink;
    } else if (o.reg >= 0) {
        o.kind = Operand::Reg;
    } else if (name[0] == '%') {
        o.kind = Operand::SReg;
    } else if (name == "WARP_SZ") {
        o.kind = Operand::Imm;
        o.imm = kWarp;
    } else if (Var* v = find_variable(name)) {
        o.kind = Operand::Sym;
        o.var = v;
        if (cur().is('+') && peek().kind == Token::Number) {
            next_++;
            o.imm = integer();
        }
    } else {
        o.kind = Operand::Label;
    }
    return o;
}

}  // namespace fovea::cudaemu::ptx
