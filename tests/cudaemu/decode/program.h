// Decoded programs: what the interpreter executes.
#pragma once
#include <mutex>

#include "tests/cudaemu/decode/sreg.h"
#include "tests/cudaemu/ptx/tree.h"

namespace emu {

struct Ctx;
struct Inst;
struct Program;
struct KernelImage;
using ExecFn = void (*)(Ctx&, const Inst&);

enum class Kind : u8 {
    Normal,   // fn, then pc+1
    Bra,      // conditional / unconditional branch
    Brx,      // indexed branch
    Call,     // direct call
    CallInd,  // call through a function pointer
    Ret,
    Exit,
    Sync,   // warp-synchronous: fn runs once every member lane has arrived
    Bar,    // block barrier
    Yield,  // fn, then give other warps a chance (nanosleep, try_wait)
    Nop,
};

enum class Cls : u8 {
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
extern const char* const kClsName[];

constexpr u32 kConstBit = 0x80000000u;
constexpr u32 kNoSlot = 0x7fffffffu;

struct Inst {
    ExecFn fn = nullptr;
    u32 o[6] = {kNoSlot, kNoSlot, kNoSlot, kNoSlot, kNoSlot, kNoSlot};  // operand slots
    i64 imm = 0;           // address offset or immediate
    u32 ext = 0;           // first entry of Program::ext (long operand lists)
    i32 guard = -1;        // predicate slot, -1: none
    u32 target = 0;        // branch target / function index
    u32 src = 0;           // index of the ptx::Instr
    u32 member = kNoSlot;  // Sync: slot of the member mask (kNoSlot: the whole warp)
    Kind kind = Kind::Normal;
    Cls cls = Cls::Alu;
    bool gneg = false;
    bool a64 = false;  // address register is 64 bits wide
    u8 nv = 1;         // vector width
    u8 esz = 4;        // element size in bytes
    u8 sub = 0;        // family specific
    u8 sub2 = 0;
    ptx::Space space = ptx::Space::None;
    u16 flags = 0;
    u32 flops = 0;  // floating-point operations per lane (or per warp for Tensor)
};

struct ParamCopy {  // one argument or return value of a call
    u32 caller_off, callee_off, bytes;
};
struct CallSite {
    const ptx::Function* callee = nullptr;
    std::vector<std::pair<u32, u32>> args;  // (offset, bytes) in the caller's param area
    std::vector<std::pair<u32, u32>> rets;
    u32 fptr = kNoSlot;
};

struct SRegSlot {
    SR id;
    u32 slot;
};

struct Program {
    KernelImage* image = nullptr;
    const ptx::Function* fn = nullptr;
    const ptx::Module* mod = nullptr;
    std::vector<Inst> code;
    std::vector<u32> ext;
    u8* consts = nullptr;  // broadcast constants
    std::vector<u8> const_store;
    u32 frame_bytes = 0;
    u32 local_bytes = 0;
    u32 param_bytes = 0;                                   // per-lane param area of the frame
    std::vector<std::pair<u32, u32>> param_in, param_out;  // device functions: (offset, bytes)
    std::vector<SRegSlot> sregs;
    std::vector<CallSite> calls;
    std::vector<std::vector<u32>> tables;
    u32 stat_base = 0;
    u32 index = 0;
};

struct ModuleImage;

// A kernel together with the device functions it can reach, decoded with one shared-memory layout.
struct KernelImage {
    ModuleImage* module = nullptr;
    const ptx::Function* fn = nullptr;
    std::vector<std::unique_ptr<Program>> programs;  // [0] is the kernel
    std::unordered_map<const ptx::Function*, u32> index;
    std::vector<const ptx::Function*> worklist;  // functions still to decode, in index order
    std::vector<i32> by_func;                    // module function number -> program index or -1
    bool indirect = false;
    std::unordered_map<const ptx::Var*, u32> shared_addr;
    std::vector<u32> param_off;
    u32 param_bytes = 0;
    u32 static_shared = 0;   // bytes of static shared memory
    u32 dyn_shared_off = 0;  // offset where dynamic shared memory starts
    u32 local_per_thread = 0;
    bool recursive = false;
    u32 total_insts = 0;
    std::string demangled;
};

// A module loaded into the emulated device.
struct ModuleImage {
    std::unique_ptr<ptx::Module> mod;
    std::mutex mu;
    std::unordered_map<const ptx::Function*, std::unique_ptr<KernelImage>> kernels;
    KernelImage* kernel(const std::string& name);  // decodes on first use; null if absent
};

std::unique_ptr<ModuleImage> load_module(std::string ptx_text);

// Shared-memory offsets start here, as on sm_80+ where the first KiB is reserved.
constexpr u32 kSharedStart = 1024;
// Generic windows.
constexpr u64 kSharedWindow = 0x0000100000000000ull;
constexpr u64 kSharedWindowSize = 0x10000000ull;
constexpr u64 kClusterStride = 0x1000000ull;  // shared::cluster window of CTA rank r
constexpr u64 kLocalWindow = 0x0000110000000000ull;
constexpr u64 kLocalWindowSize = 0x10000000ull;
constexpr u64 kFuncTag = 0x0000120000000000ull;  // function "addresses"

}  // namespace emu
