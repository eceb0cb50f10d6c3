// Decoded programs: what the interpreter executes.
#pragma once

#include <mutex>

#include "tests/cudaemu/decode/special_registers.h"
#include "tests/cudaemu/ptx/tree.h"

namespace fovea::cudaemu {

struct Context;
struct Instruction;
struct KernelImage;
struct ModuleImage;
using ExecFn = void (*)(Context&, const Instruction&);

/// How the interpreter treats an instruction.
enum class Kind : u8 {
    Normal,   // fn, then the next one
    Bra,      // branch
    Brx,      // branch through a table
    Call,     // of a function
    CallInd,  // through a pointer
    Ret,
    Exit,
    Sync,   // warp-synchronous: fn runs once all member lanes have arrived
    Bar,    // a barrier of the block: fn moves the lanes
    Yield,  // fn, then other warps get a chance (nanosleep, try_wait)
};

/// What an instruction counts as in the statistics.
enum class Class : u8 {
    Alu,
    Fma,
    Sfu,
    Tensor,
    LdGlobal,
    StGlobal,
    LdShared,
    StShared,
    LdStLocal,
    Atomic,
    Barrier,
    Branch,
    Async,
    Other,
    Count
};

// Operands are slots: byte offsets into the frame's registers or, with the top bit, into the
// constants.
constexpr u32 kConstBit = 0x80000000u;
constexpr u32 kNoSlot = 0x7fffffffu;

struct Instruction {
    ExecFn fn = nullptr;
    u32 o[6] = {kNoSlot, kNoSlot, kNoSlot, kNoSlot, kNoSlot, kNoSlot};  // [5]: an address
    i64 imm = 0;           // offset of the address, or an immediate
    u32 ext = 0;           // of more operands: the first in Program::ext; of a call: its site
    i32 guard = -1;        // slot of the guard predicate; -1: none
    u32 target = 0;        // of a branch: program counter or table; of a call: program
    u32 src = 0;           // the ptx::Instr it comes from
    u32 member = kNoSlot;  // Sync: the member mask; none: the whole warp
    Kind kind = Kind::Normal;
    Class cls = Class::Alu;
    bool gneg = false;  // the guard is negated
    bool a64 = false;   // the address register has 64 bits
    u8 nv = 1;          // elements of a vector
    u8 esz = 4;         // bytes of an element
    u8 sub = 0;         // the meaning of these three is up to fn
    u8 sub2 = 0;
    u16 flags = 0;
    ptx::Space space = ptx::Space::None;
    u32 flops = 0;  // per lane; of tensor instructions, per warp
};

/// Instruction::sub and ::flags of bar.
enum class BarOp : u8 { Sync, And, Or, Popc, Arrive };
constexpr u16 kAlignedBarrier = 1;  // all lanes of a warp must meet at the same instruction

/// (offset, bytes) of a parameter in a frame's parameter area.
using ParamPlace = std::pair<u32, u32>;

struct CallSite {
    const ptx::Function* callee = nullptr;  // null: through the pointer in slot fptr
    u32 fptr = kNoSlot;
    std::vector<ParamPlace> args, rets;  // in the caller's area
};

struct SRegSlot {
    SR id;
    u32 slot;
};

/// One function.
struct Program {
    KernelImage* image = nullptr;
    const ptx::Function* fn = nullptr;
    const ptx::Module* mod = nullptr;
    std::vector<Instruction> code;
    std::vector<u32> ext;  // operands beyond six
    u8* consts = nullptr;  // each constant 32 times, aligned copy of const_store
    std::vector<u8> const_store;
    u32 frame_bytes = 0;                          // of registers
    u32 local_bytes = 0;                          // per lane
    u32 param_bytes = 0;                          // per lane
    std::vector<ParamPlace> param_in, param_out;  // of device functions
    std::vector<SRegSlot> sregs;
    std::vector<CallSite> calls;
    std::vector<std::vector<u32>> tables;  // of brx
    u32 stat_base = 0;                     // its first counter among the kernel's

    Program() = default;
    Program(const Program&) = delete;
    Program& operator=(const Program&) = delete;
    ~Program() { free(consts); }
};

/// A kernel with the device functions that it can reach.
struct KernelImage {
    const ptx::Function* fn = nullptr;
    std::string demangled;
    std::vector<std::unique_ptr<Program>> programs;  // [0] is the kernel
    std::unordered_map<const ptx::Function*, u32> index;
    std::vector<i32> by_func;  // program of each function of the module; -1: not reached
    std::unordered_map<const ptx::Var*, u32> shared_addr;
    std::vector<u32> param_off;
    u32 param_bytes = 0;
    u32 static_shared = 0;   // bytes
    u32 dyn_shared_off = 0;  // where dynamic shared memory begins
    u32 local_per_thread = 0;
    u32 total_insts = 0;
};

/// A module in the device.
struct ModuleImage {
    std::unique_ptr<ptx::Module> mod;
    std::mutex mu;
    std::unordered_map<const ptx::Function*, std::unique_ptr<KernelImage>> kernels;

    /// Decodes it at its first use; null if there is none of this name.
    KernelImage* kernel(const std::string& name);
};

/// Parses the PTX and places the variables.
std::unique_ptr<ModuleImage> load_module(std::string ptx_text);

// Shared memory begins here, as on sm_80 and later, where the first KiB is reserved.
constexpr u32 kSharedStart = 1024;
// Where shared memory, local memory and functions are in the generic address space.
constexpr u64 kSharedWindow = 0x0000100000000000ull, kSharedWindowSize = 0x10000000ull;
constexpr u64 kClusterStride = 0x1000000ull;  // block r of a cluster begins at (r + 1) times this
constexpr u64 kLocalWindow = 0x0000110000000000ull, kLocalWindowSize = 0x10000000ull;
constexpr u64 kFuncTag = 0x0000120000000000ull;

}  // namespace fovea::cudaemu
