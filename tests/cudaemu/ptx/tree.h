// The syntax tree of a PTX module. See "PTX ISA" (NVIDIA) for the language.
#pragma once

#include <map>

#include "tests/cudaemu/base.h"

namespace fovea::cudaemu::ptx {

enum class Space : u8 { None, Reg, Global, Const, Shared, Local, Param, Generic };

enum class Type : u8 {
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
/// Type::None if the name, without its dot, is not a type's.
Type parse_type(const std::string& name);
/// Bytes.
int type_size(Type t);

struct Var;

struct Operand {
    enum Kind : u8 {
        Reg,
        SReg,   // special register
        Imm,    // integer
        F32,    // in imm: bits
        F64,    // in imm: bits
        Sym,    // variable + imm
        Vec,    // {a, b, ...}
        Addr,   // [register or variable + imm, coordinates...]
        Label,  // of this function, or a function
        Sink,   // _
        List    // (a, b, ...) and a|b
    };
    Kind kind = Imm;
    bool neg = false;  // '!' or '-' before a register
    int reg = -1;      // index into Function::regs
    i64 imm = 0;
    std::string name;            // of a special register, variable or label
    Var* var = nullptr;          // Sym, Addr
    std::vector<Operand> elems;  // Vec, List, coordinates
    int scope = 0;               // where a label is looked up
};

struct Instr {
    std::string op;                  // "add.s32"
    std::vector<std::string> parts;  // "add", "s32"
    std::vector<Operand> ops;
    int guard = -1;  // predicate register
    bool guard_neg = false;
    int line = 0;  // of the PTX text
    int loc = -1;  // index into Module::locs

    bool has(const char* part) const {
        return std::find(parts.begin() + 1, parts.end(), part) != parts.end();
    }
};

/// An address in an initialiser: the bytes from `offset` are (symbol + addend) >> shift.
struct Reloc {
    u64 offset;
    std::string sym;
    i64 addend = 0;
    int size = 8;
    int shift = 0;
};

struct Var {
    std::string name;
    Space space = Space::None;
    Type type = Type::None;
    u32 align = 1;
    u64 bytes = 0;
    bool unsized_array = false;
    bool external = false;
    std::vector<u8> init;
    std::vector<Reloc> relocs;
    u64 address = 0;  // in the device, once loaded
};

struct RegDecl {
    Type type;
    std::string name;
};

struct Function {
    std::string name;
    bool entry = false;  // a kernel
    bool has_body = false;
    std::vector<Var*> params, rets;
    std::vector<Var*> locals;  // all variables that the body declares
    std::vector<RegDecl> regs;
    std::vector<Instr> code;
    std::map<std::pair<int, std::string>, u32> labels;  // (scope, name) -> index into code
    std::vector<int> scope_parent;                      // of each { } of the body
    std::map<std::string, std::vector<std::string>> branch_tables;
    u32 maxntid[3] = {0, 0, 0}, reqntid[3] = {0, 0, 0}, cluster[3] = {0, 0, 0};
};

/// A line of the CUDA source.
struct Loc {
    int file, line;
};

struct Module {
    std::string text;
    std::vector<std::string> lines;
    std::vector<std::unique_ptr<Var>> vars;
    std::vector<std::unique_ptr<Function>> funcs;
    std::unordered_map<std::string, Var*> globals;
    std::unordered_map<std::string, Function*> by_name;
    std::map<int, std::string> files;
    std::vector<Loc> locs;
};

/// Stops the process at an error, as nvcc wrote the text.
std::unique_ptr<Module> parse_ptx(std::string text);

}  // namespace fovea::cudaemu::ptx
