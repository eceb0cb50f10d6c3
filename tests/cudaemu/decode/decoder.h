// From the syntax tree of a function to its program: ptx::Instr to Instruction, names to slots.
#pragma once

#include "tests/cudaemu/machine/state.h"

namespace fovea::cudaemu {

class Decoder {
public:
    using Op = ptx::Operand;

    Decoder(KernelImage& image, Program& prog, ModuleImage& module);
    void run();

    // Slots of operands.
    u32 src(const Op& o, ptx::Type t);  // a value of type t
    u32 src_w(const Op& o, int width);  // a value of 4 or 8 bytes
    u32 dst(const Op& o);               // a register; of '_', a scratch
    u32 pred_src(const Op& o);          // a predicate, '!' seen to
    u32 pred_dst(const Op& o);          // of '_': kNoSlot
    u32 scratch(int width);             // a new one
    u32 reg_slot(int r) const { return slots_[size_t(r)]; }
    ptx::Type reg_type(int r) const { return fn_.regs[size_t(r)].type; }
    int reg_width(const Op& o) const;  // bytes of its lanes: 4, 8 or 16

    /// An address as operand k of I: sets o[k], a64 and imm.
    void address(const Op& o, Instruction& I, int k);
    u32 label(const Op& o);  // index of the ptx::Instr behind it
    bool is_kernel_param(const ptx::Var* v) const;
    u32 param_offset(const ptx::Var* v);  // in the frame's, or the launch's, parameters

    // Operands beyond six.
    u32 ext_begin() const { return u32(prog_.ext.size()); }
    void ext_push(u32 s) { prog_.ext.push_back(s); }

    /// One more instruction, in front of the current one.
    void emit(const Instruction& I) { prog_.code.push_back(I); }
    /// Makes I, which sets a predicate o[0], a loop that ends when it holds.
    void emit_poll(Instruction& I);

    [[noreturn]] void unsupported(const ptx::Instr& in, const char* why = "");

    KernelImage& image() { return image_; }
    Program& program() { return prog_; }
    ModuleImage& module() { return module_; }
    const ptx::Function& function() const { return fn_; }
    u32 current() const { return current_; }  // index of the ptx::Instr

private:
    KernelImage& image_;
    Program& prog_;
    ModuleImage& module_;
    const ptx::Function& fn_;
    u32 current_ = 0;
    u32 top_ = 0;             // of the frame
    std::vector<u32> slots_;  // of registers
    std::unordered_map<u64, u32> constants32_, constants64_;
    std::unordered_map<std::string, u32> sregs_;
    std::unordered_map<const ptx::Var*, u32> param_off_, local_off_;

    void place_registers();
    void place_variables();
    u32 alloc(u32 bytes, u32 align);
    u32 const32(u32 v);
    u32 const64(u64 v);
    u32 sreg_slot(const std::string& name);
    u64 var_address(const ptx::Var* v);
    void resolve_targets(const std::vector<u32>& pc_of);
};

// The families of instructions. False: not one of ours.
bool decode_int(Decoder& d, const ptx::Instr& in, Instruction& I);
bool decode_move(Decoder& d, const ptx::Instr& in, Instruction& I);
bool decode_memory(Decoder& d, const ptx::Instr& in, Instruction& I);
bool decode_atomic(Decoder& d, const ptx::Instr& in, Instruction& I);
bool decode_address(Decoder& d, const ptx::Instr& in, Instruction& I);
bool decode_compare(Decoder& d, const ptx::Instr& in, Instruction& I);
bool decode_half(Decoder& d, const ptx::Instr& in, Instruction& I);
bool decode_float(Decoder& d, const ptx::Instr& in, Instruction& I);
bool decode_cvt(Decoder& d, const ptx::Instr& in, Instruction& I);
bool decode_control(Decoder& d, const ptx::Instr& in, Instruction& I);
bool decode_barrier(Decoder& d, const ptx::Instr& in, Instruction& I);
bool decode_warp(Decoder& d, const ptx::Instr& in, Instruction& I);
bool decode_matrix(Decoder& d, const ptx::Instr& in, Instruction& I);
bool decode_mma(Decoder& d, const ptx::Instr& in, Instruction& I);
bool decode_wmma(Decoder& d, const ptx::Instr& in, Instruction& I);
bool decode_cp_async(Decoder& d, const ptx::Instr& in, Instruction& I);
bool decode_mbarrier(Decoder& d, const ptx::Instr& in, Instruction& I);

}  // namespace fovea::cudaemu
