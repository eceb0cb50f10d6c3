// Recursive-descent parser: PTX text -> ptx::Module.
#include <cmath>

#include "tests/cudaemu/ptx/lexer.h"
#include "tests/cudaemu/ptx/tree.h"

namespace emu::ptx {

Ty parse_type(const std::string& s) {
    static const std::unordered_map<std::string, Ty> m = {
        {"pred", Ty::Pred},    {"b8", Ty::B8},         {"b16", Ty::B16},   {"b32", Ty::B32},
        {"b64", Ty::B64},      {"b128", Ty::B128},     {"u8", Ty::U8},     {"u16", Ty::U16},
        {"u32", Ty::U32},      {"u64", Ty::U64},       {"s8", Ty::S8},     {"s16", Ty::S16},
        {"s32", Ty::S32},      {"s64", Ty::S64},       {"f16", Ty::F16},   {"f16x2", Ty::F16x2},
        {"bf16", Ty::BF16},    {"bf16x2", Ty::BF16x2}, {"tf32", Ty::TF32}, {"f32", Ty::F32},
        {"f64", Ty::F64},      {"e4m3", Ty::E4M3},     {"e5m2", Ty::E5M2}, {"e4m3x2", Ty::E4M3x2},
        {"e5m2x2", Ty::E5M2x2}};
    auto it = m.find(s);
    return it == m.end() ? Ty::None : it->second;
}

int type_size(Ty t) {
    switch (t) {
        case Ty::B8:
        case Ty::U8:
        case Ty::S8:
        case Ty::E4M3:
        case Ty::E5M2: return 1;
        case Ty::B16:
        case Ty::U16:
        case Ty::S16:
        case Ty::F16:
        case Ty::BF16:
        case Ty::E4M3x2:
        case Ty::E5M2x2: return 2;
        case Ty::B64:
        case Ty::U64:
        case Ty::S64:
        case Ty::F64: return 8;
        case Ty::B128: return 16;
        default: return 4;
    }
}

namespace {

struct RegRange {
    int base, count;
};

struct Scope {
    int id;
    std::unordered_map<std::string, int> regs;         // exact names
    std::unordered_map<std::string, RegRange> ranges;  // %r<N>
    std::unordered_map<std::string, Var*> vars;
};

class Parser {
public:
    Parser(Module& m) : mod(m), toks(tokenize(m.text)) {}
    void run() {
        while (cur().kind != Token::End) top();
    }

private:
    Module& mod;
    std::vector<Token> toks;
    size_t p = 0;
    Function* fn = nullptr;
    std::vector<Scope> scopes;
    int cur_loc = -1;

    const Token& cur() const { return toks[p]; }
    const Token& peek(int k = 1) const { return toks[std::min(p + size_t(k), toks.size() - 1)]; }
    [[noreturn]] void error(const std::string& msg) {
        int l = cur().line;
        std::string src = l >= 1 && l <= int(mod.lines.size()) ? mod.lines[size_t(l - 1)] : "";
        die(format("PTX parse error at line %d: %s (near '%.*s')\n  %s", l, msg.c_str(),
                   int(cur().text.size()), cur().text.data(), src.c_str()));
    }
    bool accept(char c) {
        if (cur().is(c)) {
            p++;
            return true;
        }
        return false;
    }
    void expect(char c) {
        if (!accept(c)) error(format("expected '%c'", c));
    }
    std::string word() {
        if (cur().kind != Token::Word) error("expected a name");
        return std::string(toks[p++].text);
    }
    i64 integer() {
        bool neg = accept('-');
        if (cur().kind != Token::Number) error("expected an integer");
        i64 v = i64(strtoull(std::string(toks[p++].text).c_str(), nullptr, 0));
        return neg ? -v : v;
    }

    static std::vector<std::string> split(const std::string& s) {
        std::vector<std::string> out;
        size_t b = 0;
        for (;;) {
            size_t e = s.find('.', b);
            out.push_back(s.substr(b, e == std::string::npos ? e : e - b));
            if (e == std::string::npos) return out;
            b = e + 1;
        }
    }

    void skip_line(int line) {
        while (cur().kind != Token::End && cur().line == line) p++;
    }
    void skip_braces() {
        expect('{');
        int depth = 1;
        while (depth && cur().kind != Token::End) {
            if (cur().is('{')) depth++;
            if (cur().is('}')) depth--;
            p++;
        }
    }

    void parse_loc() {
        // .loc file line col [, function_name label[+off], inlined_at file line col]
        int line = cur().line;
        p++;
        int f = int(integer()), l = int(integer());
        mod.locs.push_back({f, l});
        cur_loc = int(mod.locs.size()) - 1;
        skip_line(line);
    }
    void parse_file() {
        int line = cur().line;
        p++;
        int idx = int(integer());
        if (cur().kind == Token::String) mod.files[idx] = std::string(cur().text);
        skip_line(line);
    }

    // ---- declarations -------------------------------------------------------------------------
    void top() {
        if (cur().kind == Token::Punct && cur().is(';')) {
            p++;
            return;
        }
        if (cur().kind != Token::Word) error("unexpected token at module level");
        std::string_view w = cur().text;
        if (w == ".version" || w == ".address_size") {
            skip_line(cur().line);
            return;
        }
        if (w == ".target") {
            p++;
            mod.target = word();
            skip_line(toks[p - 1].line);
            return;
        }
        if (w == ".file") return parse_file();
        if (w == ".loc") return parse_loc();
        if (w == ".pragma") {
            while (!accept(';')) p++;
            return;
        }
        if (w == ".section") {
            p++;
            word();
            skip_braces();
            return;
        }
        if (w == ".alias") die("PTX .alias is not supported");
        bool ext = false;
        while (cur().is(".visible") || cur().is(".extern") || cur().is(".weak") ||
               cur().is(".common")) {
            if (cur().is(".extern")) ext = true;
            p++;
        }
        if (cur().is(".entry") || cur().is(".func")) return function();
        Var* v = variable(false);
        v->external = ext;
        while (accept(',')) error("multiple declarators are not supported");
        expect(';');
        auto it = mod.globals.find(v->name);
        if (it == mod.globals.end() || it->second->external) mod.globals[v->name] = v;
    }

    // Parses ".space .align N .v4 .type name[dims] = init" (space word is current).
    Var* variable(bool param_list) {
        auto var = std::make_unique<Var>();
        int vec = 1;
        while (cur().kind == Token::Word && cur().text[0] == '.') {
            std::string w = word().substr(1);
            if (w == "global")
                var->space = Space::Global;
            else if (w == "const")
                var->space = Space::Const;
            else if (w == "shared" || w == "shared::cta")
                var->space = Space::Shared;
            else if (w == "local")
                var->space = Space::Local;
            else if (w == "param")
                var->space = Space::Param;
            else if (w == "reg")
                var->space = Space::Param;  // register-form function parameter
            else if (w == "align") {
                u32 a = u32(integer());
                if (var->space == Space::Param && var->type != Ty::None)
                    continue;  // pointer attribute
                var->align = a;
            } else if (w == "attribute") {
                expect('(');
                while (!accept(')')) p++;
            } else if (w == "ptr") {
                while (cur().is(".global") || cur().is(".const") || cur().is(".shared") ||
                       cur().is(".local"))
                    p++;
                if (cur().is(".align")) {
                    p++;
                    integer();
                }
            } else if (w == "v2")
                vec = 2;
            else if (w == "v4")
                vec = 4;
            else {
                var->type = parse_type(w);
                if (var->type == Ty::None) error("unknown declaration attribute ." + w);
            }
        }
        u64 esz = u64(type_size(var->type)) * u64(vec);
        var->align = std::max<u32>(var->align, u32(esz));
        if (cur().kind == Token::Word) var->name = word();
        u64 count = 1;
        if (accept('<')) error("parameterised variable names are not supported");
        while (accept('[')) {
            if (accept(']')) {
                var->unsized_array = true;
                count = 0;
                continue;
            }
            count *= u64(integer());
            expect(']');
        }
        var->bytes = esz * count;
        if (!param_list && accept('=')) initializer(*var, u64(type_size(var->type)));
        Var* r = var.get();
        mod.vars.push_back(std::move(var));
        return r;
    }

    void put_scalar(Var& v, u64& off, u64 esz) {
        bool neg = accept('-');
        u64 bits = 0;
        if (cur().kind == Token::Number) {
            std::string t(cur().text);
            if (t.size() > 2 && t[0] == '0' && isdigit(u8(t[2])) + isalpha(u8(t[2])) &&
                (t[1] == 'f' || t[1] == 'F' || t[1] == 'd' || t[1] == 'D')) {
                p++;
                bits = strtoull(t.c_str() + 2, nullptr, 16);
                if (neg) bits ^= esz == 4 ? 0x80000000ull : 1ull << 63;
            } else if (t.find('.') != std::string::npos) {
                p++;
                double d = strtod(t.c_str(), nullptr);
                if (neg) d = -d;
                if (esz == 4)
                    bits = std::bit_cast<u32>(float(d));
                else
                    bits = std::bit_cast<u64>(d);
            } else if ((t == "0xFF" || t == "0xff" || t.substr(0, 4) == "0xFF" ||
                        t.substr(0, 4) == "0xff") &&
                       peek().is('(')) {
                // byte mask applied to a symbol address: 0xFF00(sym)
                u64 mask = strtoull(t.c_str(), nullptr, 16);
                p += 2;
                Reloc r{off, "", 0, false, int(esz), std::countr_zero(mask)};
                symbol_ref(r);
                expect(')');
                v.relocs.push_back(r);
            } else {
                bits = u64(integer());
                if (neg) bits = 0 - bits;
            }
        } else {
            Reloc r{off, "", 0, false, int(esz), 0};
            symbol_ref(r);
            v.relocs.push_back(r);
        }
        if (v.init.size() < off + esz) v.init.resize(off + esz);
        memcpy(v.init.data() + off, &bits, esz);
        off += esz;
    }
    void symbol_ref(Reloc& r) {
        if (cur().is("generic") && peek().is('(')) {
            p += 2;
            symbol_ref(r);
            r.generic = true;
            expect(')');
        } else {
            r.sym = word();
        }
        while (cur().is('+') || cur().is('-')) {
            bool neg = cur().is('-');
            p++;
            i64 k = integer();
            r.addend += neg ? -k : k;
        }
    }
    void init_list(Var& v, u64& off, u64 esz) {
        if (accept('{')) {
            while (!accept('}')) {
                init_list(v, off, esz);
                accept(',');
            }
        } else {
            put_scalar(v, off, esz);
        }
    }
    void initializer(Var& v, u64 esz) {
        u64 off = 0;
        init_list(v, off, esz);
        if (v.unsized_array) v.bytes = off;
    }

    std::vector<Var*> param_list() {
        std::vector<Var*> out;
        expect('(');
        while (!accept(')')) {
            out.push_back(variable(true));
            accept(',');
        }
        return out;
    }

    void function() {
        auto f = std::make_unique<Function>();
        f->entry = cur().is(".entry");
        p++;
        while (cur().is(".attribute")) {
            p++;
            skip_paren();
        }
        if (cur().is('(')) f->rets = param_list();
        f->name = word();
        if (cur().is('(')) f->params = param_list();
        while (cur().kind == Token::Word && cur().text[0] == '.') {
            std::string w = word();
            auto triple = [&](u32* t) {
                t[0] = u32(integer());
                t[1] = t[2] = 1;
                for (int i = 1; i < 3 && accept(','); i++) t[i] = u32(integer());
            };
            if (w == ".maxntid")
                triple(f->maxntid);
            else if (w == ".reqntid")
                triple(f->reqntid);
            else if (w == ".reqnctapercluster")
                triple(f->cluster);
            else if (w == ".minnctapersm" || w == ".maxclusterrank" || w == ".maxnctapersm")
                integer();
            else if (w == ".maxnreg")
                f->maxnreg = u32(integer());
            else if (w == ".noreturn")
                f->noreturn = true;
            else if (w == ".explicitcluster" || w == ".blocksareclusters") {
            } else if (w == ".pragma") {
                while (!accept(';')) p++;
            } else if (w == ".abi_preserve" || w == ".abi_preserve_control")
                integer();
            else
                error("unknown function attribute " + w);
        }
        fn = f.get();
        mod.funcs.push_back(std::move(f));
        if (!accept(';')) {
            fn->has_body = true;
            cur_loc = -1;
            scopes.clear();
            push_scope();
            for (Var* v : fn->params) scopes.back().vars[v->name] = v;
            for (Var* v : fn->rets) scopes.back().vars[v->name] = v;
            expect('{');
            body();
            scopes.clear();
        }
        auto it = mod.by_name.find(fn->name);
        if (it == mod.by_name.end() || !it->second->has_body) mod.by_name[fn->name] = fn;
        fn = nullptr;
    }
    void skip_paren() {
        expect('(');
        int d = 1;
        while (d) {
            if (cur().is('(')) d++;
            if (cur().is(')')) d--;
            p++;
        }
    }

    void push_scope() {
        int parent = scopes.empty() ? -1 : scopes.back().id;
        Scope s;
        s.id = int(fn->scope_parent.size());
        fn->scope_parent.push_back(parent);
        scopes.push_back(std::move(s));
    }

    void body() {
        int depth = 1;
        while (depth) {
            if (cur().kind == Token::End) error("unexpected end of file in function body");
            if (accept('{')) {
                push_scope();
                depth++;
                continue;
            }
            if (accept('}')) {
                scopes.pop_back();
                depth--;
                continue;
            }
            if (accept(';')) continue;
            if (cur().kind == Token::Word && cur().text[0] == '.') {
                directive();
                continue;
            }
            if (cur().kind == Token::Word && peek().is(':')) {
                std::string name = word();
                p++;
                if (cur().is(".branchtargets")) {
                    p++;
                    std::vector<std::string> t;
                    do t.push_back(word());
                    while (accept(','));
                    expect(';');
                    fn->branch_tables[name] = t;
                    continue;
                }
                if (cur().is(".callprototype") || cur().is(".calltargets")) {
                    while (!accept(';')) p++;
                    continue;
                }
                fn->labels[{scopes.back().id, name}] = u32(fn->code.size());
                continue;
            }
            instruction();
        }
    }

    void directive() {
        std::string w(cur().text);
        if (w == ".loc") return parse_loc();
        if (w == ".file") return parse_file();
        if (w == ".pragma") {
            while (!accept(';')) p++;
            return;
        }
        if (w == ".reg") {
            p++;
            Ty t = Ty::None;
            while (cur().kind == Token::Word && cur().text[0] == '.') {
                std::string a = word().substr(1);
                if (a == "v2" || a == "v4") error("vector registers are not supported");
                t = parse_type(a);
                if (t == Ty::None) error("unknown register type ." + a);
            }
            do {
                std::string name = word();
                if (accept('<')) {
                    int n = int(integer());
                    expect('>');
                    scopes.back().ranges[name] = {int(fn->regs.size()), n};
                    for (int i = 0; i < n; i++) fn->regs.push_back({t, ""});
                } else {
                    scopes.back().regs[name] = int(fn->regs.size());
                    fn->regs.push_back({t, name});
                }
            } while (accept(','));
            expect(';');
            return;
        }
        if (w == ".local" || w == ".shared" || w == ".param" || w == ".global" || w == ".const") {
            Var* v = variable(false);
            expect(';');
            scopes.back().vars[v->name] = v;
            fn->locals.push_back(v);
            return;
        }
        error("unknown directive " + w);
    }

    int find_reg(const std::string& name) {
        size_t d = name.size();
        while (d > 0 && isdigit(u8(name[d - 1]))) d--;
        std::string prefix = name.substr(0, d);
        for (size_t k = scopes.size(); k-- > 0;) {
            auto it = scopes[k].regs.find(name);
            if (it != scopes[k].regs.end()) return it->second;
            if (d < name.size()) {
                auto r = scopes[k].ranges.find(prefix);
                if (r != scopes[k].ranges.end()) {
                    int idx = atoi(name.c_str() + d);
                    if (idx < r->second.count) return r->second.base + idx;
                }
            }
        }
        return -1;
    }
    Var* find_var(const std::string& name) {
        for (size_t k = scopes.size(); k-- > 0;) {
            auto it = scopes[k].vars.find(name);
            if (it != scopes[k].vars.end()) return it->second;
        }
        auto g = mod.globals.find(name);
        return g == mod.globals.end() ? nullptr : g->second;
    }

    Operand number(bool neg) {
        Operand o;
        std::string t(toks[p++].text);
        if (t.size() > 2 && t[0] == '0' && (t[1] == 'f' || t[1] == 'F')) {
            o.kind = Operand::F32;
            o.imm = i64(strtoull(t.c_str() + 2, nullptr, 16));
            if (neg) o.imm ^= 0x80000000ll;
        } else if (t.size() > 2 && t[0] == '0' && (t[1] == 'd' || t[1] == 'D')) {
            o.kind = Operand::F64;
            o.imm = i64(strtoull(t.c_str() + 2, nullptr, 16));
            if (neg) o.imm ^= i64(1ull << 63);
        } else if (t.find('.') != std::string::npos ||
                   (t.substr(0, 2) != "0x" && t.find_first_of("eE") != std::string::npos)) {
            o.kind = Operand::F64;
            double d = strtod(t.c_str(), nullptr);
            o.imm = std::bit_cast<i64>(neg ? -d : d);
        } else {
            u64 v;
            if (t.size() > 2 && t[0] == '0' && (t[1] == 'b' || t[1] == 'B'))
                v = strtoull(t.c_str() + 2, nullptr, 2);
            else
                v = strtoull(t.c_str(), nullptr, 0);
            o.imm = i64(neg ? 0 - v : v);
        }
        return o;
    }

    Operand named(const std::string& name) {
        Operand o;
        o.name = name;
        o.scope = scopes.back().id;
        if (name == "_") {
            o.kind = Operand::Sink;
            return o;
        }
        int r = find_reg(name);
        if (r >= 0) {
            o.kind = Operand::Reg;
            o.reg = r;
            return o;
        }
        if (name[0] == '%') {
            o.kind = Operand::SReg;
            return o;
        }
        if (name == "WARP_SZ") {
            o.kind = Operand::Imm;
            o.imm = 32;
            return o;
        }
        if (Var* v = find_var(name)) {
            o.kind = Operand::Sym;
            o.var = v;
            if (cur().is('+') && peek().kind == Token::Number) {
                p++;
                o.imm = integer();
            }
            return o;
        }
        o.kind = Operand::Label;  // a label or a function name
        return o;
    }

    Operand operand() {
        if (accept('{')) {
            Operand o;
            o.kind = Operand::Vec;
            while (!accept('}')) {
                o.elems.push_back(operand());
                accept(',');
            }
            return o;
        }
        if (accept('(')) {
            Operand o;
            o.kind = Operand::List;
            while (!accept(')')) {
                o.elems.push_back(operand());
                accept(',');
            }
            return o;
        }
        if (accept('[')) {
            Operand o;
            o.kind = Operand::Addr;
            bool first = true;
            while (!accept(']')) {
                if (accept(',')) {
                    o.elems.push_back(operand());
                    continue;
                }
                bool neg = false;
                while (cur().is('+') || cur().is('-')) {
                    if (cur().is('-')) neg = !neg;
                    p++;
                }
                if (cur().kind == Token::Number) {
                    o.imm += number(neg).imm;
                } else {
                    std::string n = word();
                    int r = find_reg(n);
                    if (r >= 0) {
                        if (o.reg >= 0) error("two registers in an address");
                        o.reg = r;
                    } else if (Var* v = find_var(n)) {
                        o.var = v;
                    } else {
                        error("unknown address base " + n);
                    }
                }
                first = false;
            }
            (void)first;
            return o;
        }
        bool neg = false, inv = false;
        for (;;) {
            if (accept('-'))
                neg = !neg;
            else if (accept('+')) {
            } else if (accept('!'))
                inv = true;
            else
                break;
        }
        Operand o;
        if (cur().kind == Token::Number) {
            o = number(neg);
        } else {
            o = named(word());
            o.neg = neg || inv;
        }
        if (accept('|')) {
            Operand q = operand();
            Operand l;
            l.kind = Operand::List;
            l.elems = {o, q};
            return l;
        }
        return o;
    }

    void instruction() {
        Instr I;
        I.line = cur().line;
        I.loc = cur_loc;
        if (accept('@')) {
            I.guard_neg = accept('!');
            std::string g = word();
            I.guard = find_reg(g);
            if (I.guard < 0) error("unknown guard predicate " + g);
        }
        I.op = word();
        I.parts = split(I.op);
        while (!accept(';')) {
            I.ops.push_back(operand());
            if (!accept(',') && !cur().is(';')) error("expected ',' or ';'");
        }
        fn->code.push_back(std::move(I));
    }
};

}  // namespace

std::unique_ptr<Module> parse_ptx(std::string text) {
    auto m = std::make_unique<Module>();
    m->text = std::move(text);
    size_t b = 0;
    while (b < m->text.size()) {
        size_t e = m->text.find('\n', b);
        if (e == std::string::npos) e = m->text.size();
        m->lines.push_back(m->text.substr(b, e - b));
        b = e + 1;
    }
    Parser(*m).run();
    return m;
}

}  // namespace emu::ptx
