// Address resolution with bounds, alignment and race checks, shared by all memory instructions.
#pragma once
#include "tests/cudaemu/machine/exec.h"

namespace emu {

// Host addresses of the active lanes of one memory instruction.
struct Access {
    u64 a[kWarp];     // host address
    u32 soff[kWarp];  // shared-memory offset of lanes in `shared`
    u32 shared = 0;   // lanes whose address is in this block's shared memory
};

// Pointer for one lane, any state space through a generic address.
u8* generic_ptr(Ctx& c, int lane, u64 addr, u32 size, bool write);
u8* shared_ptr(Ctx& c, int lane, u32 addr, u32 size);
u8* local_ptr(Ctx& c, int lane, u64 addr, u32 size);
void check_global(Ctx& c, const u64* a, u32 mask, u32 bytes, bool write);
void misaligned(Ctx& c, int lane, u64 addr, u32 size, const char* space);

// Resolves operand k of I for an access of `bytes` per lane.
void resolve(Ctx& c, const Inst& I, int k, u32 bytes, bool write, Access& out);

// Records a shared access of one lane; reports a race.
void race_access(Ctx& c, int lane, u32 off, u32 bytes, bool write, bool atomic, bool benign);

inline void lane_addresses(Ctx& c, const Inst& I, int k, u64* a) {
    if (I.a64) {
        const u64* p = slot<u64>(c, I.o[k]);
        for (int i = 0; i < kWarp; i++) a[i] = p[i] + u64(I.imm);
    } else {
        const u32* p = slot<u32>(c, I.o[k]);
        for (int i = 0; i < kWarp; i++) a[i] = u32(p[i] + u32(I.imm));
    }
}

}  // namespace emu
