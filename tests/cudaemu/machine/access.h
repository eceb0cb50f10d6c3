// From the addresses of an instruction to bytes of the host, with bounds, alignment and race
// checks.
#pragma once

#include "tests/cudaemu/machine/lanes.h"

namespace fovea::cudaemu {

/// Where the active lanes of a memory instruction go.
struct Access {
    u64 a[kWarp];     // address on the host
    u32 soff[kWarp];  // offset, of the lanes in `shared`
    u32 shared = 0;   // lanes in the shared memory of this block
};

/// Operand k of I, for `bytes` a lane.
void resolve(Context& c, const Instruction& I, int k, u32 bytes, bool write, Access& out);

/// The sums of operand k of I and its offset, not resolved.
inline void lane_addresses(Context& c, const Instruction& I, int k, u64* a) {
    if (I.a64) {
        const u64* p = slot<u64>(c, I.o[k]);
        for (int i = 0; i < kWarp; i++) a[i] = p[i] + u64(I.imm);
    } else {
        const u32* p = slot<u32>(c, I.o[k]);
        for (int i = 0; i < kWarp; i++) a[i] = u32(p[i] + u32(I.imm));
    }
}

// One lane: through a generic address, or within shared or local memory.
u8* generic_ptr(Context& c, int lane, u64 addr, u32 size, bool write);
u8* shared_ptr(Context& c, int lane, u32 addr, u32 size);
u8* local_ptr(Context& c, int lane, u64 addr, u32 size);

void check_global(Context& c, const u64* a, u32 mask, u32 bytes, bool write);
[[noreturn]] void misaligned(Context& c, int lane, u64 addr, u32 size, const char* space);

/// Is this a generic address of shared memory?
inline bool in_shared_window(u64 a) { return a - kSharedWindow < kSharedWindowSize; }
/// The offset in shared memory that a shared or a generic address means.
inline u32 shared_offset(u64 a) { return u32(in_shared_window(a) ? a - kSharedWindow : a); }

/// Tells the race detector about one lane's access to shared memory. Benign: writes what is there.
void race_access(Context& c, int lane, u32 off, u32 bytes, bool write, bool atomic, bool benign);

}  // namespace fovea::cudaemu
