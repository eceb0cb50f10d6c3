// Turns ptx::Instr into Inst. Each instruction family provides one decode function.
#pragma once
#include "tests/cudaemu/machine/exec.h"

namespace emu {

class Decoder {
public:
    Decoder(KernelImage& img, Program& prog, ModuleImage& mod);
    void run();

    // Helpers for the family decoders.
    using Op = ptx::Operand;
    u32 reg_slot(int r) const { return slots_[size_t(r)]; }
    ptx::Ty reg_type(int r) const { return fn_.regs[size_t(r)].type; }
    int reg_width(const Op& o) const;  // bytes of the register's lane slot (4 or 8)
    u32 src(const Op& o, ptx::Ty t);   // value operand of type t
    u32 src_w(const Op& o, int width, bool is_f32_imm_ok = true);
    u32 dst(const Op& o);       // destination register or scratch for '_'
    u32 pred_src(const Op& o);  // predicate operand (mask slot), '!' handled
    u32 pred_dst(const Op& o);
    u32 const32(u32 v);
    u32 const64(u64 v);
    u32 const_pred(bool v);
    void address(const Op& o, Inst& I, int k);  // fills o[k], a64 and imm
    u32 ext_begin() const { return u32(prog_.ext.size()); }
    void ext_push(u32 s) { prog_.ext.push_back(s); }
    u32 scratch(int width);
    u32 sreg_slot(const std::string& name);
    [[noreturn]] void unsupported(const ptx::Instr& in, const char* why = "");
    u32 label(const Op& o);
    u64 var_address(const ptx::Var* v);
    KernelImage& image() { return img_; }
    Program& program() { return prog_; }
    const ptx::Function& function() const { return fn_; }
    ModuleImage& module() { return mod_; }
    u32 param_offset(const ptx::Var* v);  // within the frame's param area
    bool is_kernel_param(const ptx::Var* v) const;
    // emits an extra instruction before the current one
    void emit(const Inst& I) { prog_.code.push_back(I); }
    // The current instruction becomes a branch back to `poll` while its predicate is false.
    void emit_cluster_wait(Inst& I) {
        u32 p = I.o[0];
        emit(I);
        Inst b;
        b.kind = Kind::Bra;
        b.cls = Cls::Branch;
        b.guard = i32(p);
        b.gneg = true;
        b.src = I.src;
        b.flags = 0x8000;  // target is already a program counter
        b.target = u32(prog_.code.size()) - 1;
        I = b;
    }
    u32 current = 0;

private:
    KernelImage& img_;
    Program& prog_;
    ModuleImage& mod_;
    const ptx::Function& fn_;
    std::vector<u32> slots_;
    u32 top_ = 0;
    std::unordered_map<u64, u32> c32_, c64_;
    std::unordered_map<std::string, u32> sregs_;
    std::unordered_map<const ptx::Var*, u32> param_off_, local_off_;
    std::vector<u32> pc_of_;
    std::vector<std::pair<u32, const ptx::Operand*>> fixups_;

    u32 alloc(u32 bytes, u32 align);
    bool decode(const ptx::Instr& in, Inst& I);
    friend bool decode_control(Decoder&, const ptx::Instr&, Inst&);
};

bool decode_control(Decoder&, const ptx::Instr&, Inst&);
bool decode_int(Decoder&, const ptx::Instr&, Inst&);
bool decode_float(Decoder&, const ptx::Instr&, Inst&);
bool decode_cvt(Decoder&, const ptx::Instr&, Inst&);
bool decode_mem(Decoder&, const ptx::Instr&, Inst&);
bool decode_warp(Decoder&, const ptx::Instr&, Inst&);
bool decode_mma(Decoder&, const ptx::Instr&, Inst&);
bool decode_async(Decoder&, const ptx::Instr&, Inst&);

}  // namespace emu
