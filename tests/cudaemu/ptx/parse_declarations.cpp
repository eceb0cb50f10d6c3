// The module's level: variables with their initialisers, functions without their bodies.
#include "tests/cudaemu/ptx/parser.h"

namespace fovea::cudaemu::ptx {

void Parser::top() {
    if (accept(';')) return;
    if (cur().kind != Token::Word) error("unexpected token at module level");
    if (cur().is(".version") || cur().is(".address_size") || cur().is(".target"))
        return skip_line();
    if (cur().is(".file")) return file();
    if (cur().is(".loc")) return location();
    if (cur().is(".pragma")) return skip_past(';');
    if (cur().is(".section")) {
        next_ += 2;
        return skip_pair('{', '}');
    }
    if (cur().is(".alias")) error(".alias is not supported");

    bool external = false;
    while (cur().is(".visible") || cur().is(".extern") || cur().is(".weak") || cur().is(".common"))
        external |= take() == ".extern";
    if (cur().is(".entry") || cur().is(".func")) return function();
    Var* v = variable(false);
    v->external = external;
    if (cur().is(',')) error("multiple declarators are not supported");
    expect(';');
    Var*& global = mod_.globals[v->name];
    if (!global || global->external) global = v;
}

// .loc file line column [, ...]
void Parser::location() {
    const size_t first = next_++;
    const int file_number = int(integer()), line = int(integer());
    mod_.locs.push_back({file_number, line});
    loc_ = int(mod_.locs.size()) - 1;
    next_ = first;
    skip_line();
}

// .file number "name"
void Parser::file() {
    const size_t first = next_++;
    const int number = int(integer());
    if (cur().kind == Token::String) mod_.files[number] = std::string(cur().text);
    next_ = first;
    skip_line();
}

// ---- variables ----------------------------------------------------------------------------------

// .space .align N .v4 .type name[dimensions] = initialiser
Var* Parser::variable(bool parameter) {
    mod_.vars.push_back(std::make_unique<Var>());
    Var& v = *mod_.vars.back();
    int elements = 1;
    while (cur().is_directive()) variable_attribute(v, word().substr(1), elements);
    const u64 element_bytes = u64(type_size(v.type)) * u64(elements);
    v.align = std::max(v.align, u32(element_bytes));
    if (cur().kind == Token::Word) v.name = word();
    v.bytes = element_bytes;
    if (cur().is('<')) error("parameterised variable names are not supported");
    while (accept('[')) {
        v.unsized_array |= cur().is(']');
        v.bytes *= cur().is(']') ? 0 : u64(integer());
        expect(']');
    }
    if (!parameter && accept('=')) initialiser(v);
    return &v;
}

void Parser::variable_attribute(Var& v, const std::string& name, int& elements) {
    static const std::unordered_map<std::string, Space> kSpaces = {
        {"global", Space::Global}, {"const", Space::Const},        {"local", Space::Local},
        {"shared", Space::Shared}, {"shared::cta", Space::Shared}, {"param", Space::Param},
        {"reg", Space::Param}};  // a function's parameter may be a register: we keep it in memory
    const auto space = kSpaces.find(name);
    if (space != kSpaces.end()) {
        v.space = space->second;
    } else if (name == "align") {
        const u32 align = u32(integer());
        // Behind the type of a parameter it speaks of what the pointer points to.
        if (v.space != Space::Param || v.type == Type::None) v.align = align;
    } else if (name == "attribute") {
        skip_pair('(', ')');
    } else if (name == "ptr") {
        while (cur().is(".global") || cur().is(".const") || cur().is(".shared") ||
               cur().is(".local"))
            next_++;
    } else if (name == "v2" || name == "v4") {
        elements = name == "v2" ? 2 : 4;
    } else {
        v.type = parse_type(name);
        if (v.type == Type::None) error("unknown declaration attribute ." + name);
    }
}

void Parser::initialiser(Var& v) {
    u64 offset = 0;
    initial_list(v, offset);
    if (v.unsized_array) v.bytes = offset;
}

void Parser::initial_list(Var& v, u64& offset) {
    if (!accept('{')) return initial_value(v, offset);
    while (!accept('}')) {
        initial_list(v, offset);
        accept(',');
    }
}

void Parser::initial_value(Var& v, u64& offset) {
    const u64 bytes = u64(type_size(v.type));
    u64 bits = 0;
    const bool negative = accept('-');
    const std::string text(cur().text);
    if (cur().kind != Token::Number) {
        Reloc r{offset, "", 0, int(bytes), 0};
        symbol(r);
        v.relocs.push_back(r);
    } else if (peek().is('(')) {  // 0xFF00(symbol): the byte of an address that the mask names
        const u64 mask = strtoull(text.c_str(), nullptr, 16);
        next_ += 2;
        Reloc r{offset, "", 0, int(bytes), std::countr_zero(mask)};
        symbol(r);
        expect(')');
        v.relocs.push_back(r);
    } else {
        const Operand o = number(negative);
        bits = u64(o.imm);
        if (o.kind == Operand::F64 && bytes == 4)
            bits = std::bit_cast<u32>(float(std::bit_cast<double>(o.imm)));
    }
    if (v.init.size() < offset + bytes) v.init.resize(offset + bytes);
    memcpy(v.init.data() + offset, &bits, bytes);
    offset += bytes;
}

// name + constant, or generic(...) of it
void Parser::symbol(Reloc& r) {
    if (cur().is("generic") && peek().is('(')) {
        next_ += 2;
        symbol(r);
        expect(')');
    } else {
        r.sym = word();
    }
    while (cur().is('+') || cur().is('-')) {
        const bool minus = take() == "-";
        const i64 k = integer();
        r.addend += minus ? -k : k;
    }
}

// ---- functions ----------------------------------------------------------------------------------

// .entry or .func [(results)] name [(parameters)] attributes { body }
void Parser::function() {
    mod_.funcs.push_back(std::make_unique<Function>());
    Function& f = *mod_.funcs.back();
    f.entry = take() == ".entry";
    while (cur().is(".attribute")) {
        next_++;
        skip_pair('(', ')');
    }
    if (cur().is('(')) f.rets = parameters();
    f.name = word();
    if (cur().is('(')) f.params = parameters();
    while (cur().is_directive()) function_attribute(f);
    if (!accept(';')) {
        f.has_body = true;
        fn_ = &f;
        body();
        fn_ = nullptr;
    }
    Function*& known = mod_.by_name[f.name];
    if (!known || !known->has_body) known = &f;
}

void Parser::function_attribute(Function& f) {
    const std::string name = word();
    u32* triple = name == ".maxntid"             ? f.maxntid
                  : name == ".reqntid"           ? f.reqntid
                  : name == ".reqnctapercluster" ? f.cluster
                                                 : nullptr;
    if (triple) {
        triple[1] = triple[2] = 1;
        triple[0] = u32(integer());
        for (int i = 1; i < 3 && accept(','); i++) triple[i] = u32(integer());
    } else if (name == ".minnctapersm" || name == ".maxnctapersm" || name == ".maxclusterrank" ||
               name == ".maxnreg" || name == ".abi_preserve" || name == ".abi_preserve_control") {
        integer();
    } else if (name == ".pragma") {
        skip_past(';');
    } else if (name != ".noreturn" && name != ".explicitcluster" && name != ".blocksareclusters") {
        error("unknown function attribute " + name);
    }
}

std::vector<Var*> Parser::parameters() {
    std::vector<Var*> out;
    expect('(');
    while (!accept(')')) {
        out.push_back(variable(true));
        accept(',');
    }
    return out;
}

}  // namespace fovea::cudaemu::ptx
