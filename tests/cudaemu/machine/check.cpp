#include "tests/cudaemu/machine/check.h"

#include <algorithm>

namespace emu {

void RaceShadow::start(u32 smem_bytes, int nw) {
    if (cells.size() < (smem_bytes + 3) / 4) cells.resize((smem_bytes + 3) / 4);
    u32 top = counter;
    for (int w = 0; w < nwarps; w++) top = std::max(top, epoch[w]);
    nwarps = nw;
    if (top > 0xf0000000u) {
        std::fill(cells.begin(), cells.end(), Cell{});
        top = 1;
    }
    counter = top;
    for (int w = 0; w < nw; w++) {
        for (int k = 0; k < kMaxWarps; k++)
            vc[w][k] = top;  // earlier blocks are ordered before this one
        epoch[w] = lane_sync[w] = top + 1;
    }
    memset(bar, 0, sizeof(bar));
    mbar.clear();
    // Cells hold (tid, epoch) of earlier blocks with epoch <= top; same-thread entries are harmless,
    // but pending marks must not leak.
    for (auto& c : cells) c.w0.flags &= u8(~Pending);
}

void RaceShadow::arrive(int w, Clock& c) {
    for (int k = 0; k < nwarps; k++) c[k] = std::max(c[k], vc[w][k]);
    c[w] = std::max(c[w], epoch[w]);
    epoch[w]++;
}

void RaceShadow::acquire(int w, const Clock& c) {
    for (int k = 0; k < nwarps; k++)
        if (k != w) vc[w][k] = std::max(vc[w][k], c[k]);
}

bool RaceShadow::word(Cell& c, u8 bytes, u32 tid, bool write, bool atomic, bool benign,
                      Conflict& out) {
    bool ok = true;
    auto conflict = [&](const Access& a, const char* what) {
        if (!(a.bytes & bytes) || ordered(a, tid)) return;
        if (atomic && (a.flags & Atomic)) return;
        ok = false;
        out = {what, a.tid};
    };
    if (c.w0.flags & Pending && (c.w0.bytes & bytes) && (c.w0.epoch > counter)) {
        out = {write ? "write to shared memory that an unfinished cp.async still targets"
                     : "read of shared memory that an unfinished cp.async still targets",
               c.w0.tid};
        return false;
    }
    if (!benign) {
        conflict(c.w0, write ? "write-after-write race" : "read-after-write race");
        if (ok) conflict(c.w1, write ? "write-after-write race" : "read-after-write race");
        if (write && ok) conflict(c.r0, "write-after-read race");
        if (write && ok) conflict(c.r1, "write-after-read race");
    }
    Access me{epoch[tid >> 5], u16(tid), bytes, u8(atomic ? Atomic : 0)};
    if (write) {
        if (c.w0.bytes & u8(~bytes) && c.w0.tid != tid)
            c.w1 = c.w0;
        else if (c.w0.tid != tid)
            c.w1 = Access{};
        if (c.w0.tid == tid && c.w0.epoch == me.epoch) me.bytes |= c.w0.bytes;
        c.w0 = me;
    } else {
        if (c.r0.tid >> 5 != tid >> 5 || c.r0.bytes != bytes) c.r1 = c.r0;
        c.r0 = me;
    }
    return ok;
}

bool RaceShadow::access(u32 addr, u32 nbytes, u32 tid, bool write, bool atomic, bool benign,
                        Conflict& out) {
    u32 end = addr + nbytes;
    bool ok = true;
    while (addr < end) {
        u32 w = addr >> 2, lo = addr & 3, n = std::min(4 - lo, end - addr);
        u8 m = u8(((1u << n) - 1) << lo);
        Conflict k;
        if (!word(cells[w], m, tid, write, atomic, benign, k) && ok) {
            ok = false;
            out = k;
        }
        addr += n;
    }
    return ok;
}

void RaceShadow::pending(u32 addr, u32 nbytes, u32 tid, bool set) {
    for (u32 w = addr >> 2; w < (addr + nbytes + 3) >> 2; w++) {
        auto& a = cells[w].w0;
        a = Access{epoch[tid >> 5], u16(tid), 15, u8(set ? Pending : 0)};
        cells[w].w1 = Access{};
    }
}

}  // namespace emu
