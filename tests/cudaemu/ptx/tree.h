// Syntax tree of a PTX module, produced by parse_ptx().
#pragma once
#include <map>

#include "tests/cudaemu/base.h"

namespace emu::ptx {

enum class Space : u8 { None, Reg, Global, Const, Shared, Local, Param, Generic };

// Scalar PTX types; size in bytes given by type_size().
enum class Ty : u8 {
    None,
    Pred,
    B8,
    B16,
    B32,
    B64,
    B128,
    U8,
    U16,
    U32,
    U64,
    S8,
    S16,
    S32,
    S64,
    F16,
    F16x2,
    BF16,
    BF16x2,
    TF32,
    F32,
    F64,
    E4M3,
    E5M2,
    E4M3x2,
    E5M2x2
};
Ty parse_type(const std::string& s);  // Ty::None when s is no type name
int type_size(Ty t);

struct Var;
struct Function;

struct Operand {
    enum Kind : u8 { Reg, SReg, Imm, F32, F64, Sym, Vec, Addr, Label, Sink, List } kind = Imm;
    bool neg = false;            // '!' (predicates) or unary minus on a register
    int reg = -1;                // Reg: index into Function::regs; Addr with register base
    i64 imm = 0;                 // Imm value, F32/F64 bits, or address offset
    std::string name;            // SReg, Sym, Label, or unresolved name
    Var* var = nullptr;          // Sym / Addr base variable
    std::vector<Operand> elems;  // Vec, List, '|' pairs (List) and tensor coordinates of Addr
    int scope = 0;               // for label lookup
};

struct Instr {
    std::string op;                  // full opcode
    std::vector<std::string> parts;  // split at '.'
    std::vector<Operand> ops;
    int guard = -1;
    bool guard_neg = false;
    int line = 0;                      // PTX line
    int loc = -1;                      // index into Module::locs
    std::vector<std::string> targets;  // brx.idx labels
    bool has(const char* s) const {
        for (size_t i = 1; i < parts.size(); i++)
            if (parts[i] == s) return true;
        return false;
    }
};

struct Reloc {
    u64 offset;
    std::string sym;
    i64 addend;
    bool generic;
    int size = 8;   // bytes written
    int shift = 0;  // for byte-mask initialisers
};

struct Var {
    std::string name;
    Space space = Space::None;
    Ty type = Ty::None;
    u32 align = 1;
    u64 bytes = 0;
    bool unsized_array = false;
    bool external = false;
    std::vector<u8> init;
    std::vector<Reloc> relocs;
    u64 address = 0;  // filled by the loader / decoder
};

struct RegDecl {
    Ty type;
    std::string name;
};

struct Function {
    std::string name;
    bool entry = false, has_body = false, noreturn = false;
    std::vector<Var*> params, rets;
    std::vector<RegDecl> regs;
    std::vector<Instr> code;
    std::map<std::pair<int, std::string>, u32> labels;              // (scope, name) -> code index
    std::map<std::string, std::vector<std::string>> branch_tables;  // .branchtargets
    std::vector<int> scope_parent;
    std::vector<Var*> locals;  // .shared/.local/.param declared in the body
    u32 maxntid[3] = {0, 0, 0};
    u32 reqntid[3] = {0, 0, 0};
    u32 cluster[3] = {0, 0, 0};
    u32 maxnreg = 0;
};

struct Loc {
    int file, line;
};

struct Module {
    std::string text;
    std::vector<std::string> lines;
    std::string target;
    std::vector<std::unique_ptr<Var>> vars;
    std::vector<std::unique_ptr<Function>> funcs;
    std::unordered_map<std::string, Var*> globals;
    std::unordered_map<std::string, Function*> by_name;
    std::map<int, std::string> files;
    std::vector<Loc> locs;
};

std::unique_ptr<Module> parse_ptx(std::string text);

}  // namespace emu::ptx
