#include "tests/cudaemu/machine/race.h"

namespace fovea::cudaemu {

void RaceShadow::start(u32 smem_bytes, int warps) {
    if (cells_.size() < (smem_bytes + 3) / 4) cells_.resize((smem_bytes + 3) / 4);
    u32 top = first_epoch_;
    for (int w = 0; w < warps_; w++) top = std::max(top, epoch_[w]);
    if (top > 0xf0000000u) {  // long before it overflows
        std::fill(cells_.begin(), cells_.end(), Cell{});
        top = 1;
    }
    first_epoch_ = top;
    warps_ = warps;
    for (int w = 0; w < warps; w++) {
        std::fill(seen_[w], seen_[w] + kMaxWarps, top);
        epoch_[w] = lane_sync_[w] = top + 1;
    }
    memset(bar_, 0, sizeof(bar_));
    mbar_.clear();
    for (Cell& c : cells_) c.w0.flags &= u8(~Pending);
}

void RaceShadow::arrive(int w, Clock& c) {
    for (int k = 0; k < warps_; k++) c[k] = std::max(c[k], seen_[w][k]);
    c[w] = std::max(c[w], epoch_[w]);
    epoch_[w]++;
}

void RaceShadow::acquire(int w, const Clock& c) {
    for (int k = 0; k < warps_; k++)
        if (k != w) seen_[w][k] = std::max(seen_[w][k], c[k]);
}

bool RaceShadow::ordered(const Access& a, u32 tid) const {
    if (!a.bytes || a.tid == tid) return true;
    const u32 theirs = a.tid / kWarp, mine = tid / kWarp;
    return theirs == mine ? a.epoch < lane_sync_[mine] : a.epoch <= seen_[mine][theirs];
}

bool RaceShadow::word(Cell& c, u8 bytes, u32 tid, bool write, bool atomic, bool benign,
                      Conflict& out) {
    if ((c.w0.flags & Pending) && (c.w0.bytes & bytes) && c.w0.epoch > first_epoch_) {
        out = {write ? "write to shared memory that an unfinished cp.async still targets"
                     : "read of shared memory that an unfinished cp.async still targets",
               c.w0.tid};
        return false;
    }

    bool ok = true;
    auto compare = [&](const Access& a, const char* what) {
        if (!ok || !(a.bytes & bytes) || ordered(a, tid)) return;
        if (atomic && (a.flags & Atomic)) return;
        ok = false;
        out = {what, a.tid};
    };
    if (!benign) {
        const char* after_write = write ? "write-after-write race" : "read-after-write race";
        compare(c.w0, after_write);
        compare(c.w1, after_write);
        if (write) {
            compare(c.r0, "write-after-read race");
            compare(c.r1, "write-after-read race");
        }
    }

    Access me{epoch_[tid / kWarp], u16(tid), bytes, u8(atomic ? Atomic : 0)};
    if (!write) {
        if (c.r0.tid / kWarp != tid / kWarp || c.r0.bytes != bytes) c.r1 = c.r0;
        c.r0 = me;
        return ok;
    }
    if (c.w0.tid != tid)
        c.w1 = c.w0.bytes & u8(~bytes) ? c.w0 : Access{};
    else if (c.w0.epoch == me.epoch)
        me.bytes |= c.w0.bytes;
    c.w0 = me;
    return ok;
}

bool RaceShadow::access(u32 addr, u32 bytes, u32 tid, bool write, bool atomic, bool benign,
                        Conflict& out) {
    bool ok = true;
    for (const u32 end = addr + bytes; addr < end;) {
        const u32 low = addr & 3, n = std::min(4 - low, end - addr);
        const u8 mask = u8(((1u << n) - 1) << low);
        Conflict conflict;
        if (!word(cells_[addr >> 2], mask, tid, write, atomic, benign, conflict) && ok) {
            ok = false;
            out = conflict;
        }
        addr += n;
    }
    return ok;
}

void RaceShadow::pending(u32 addr, u32 bytes, u32 tid, bool set) {
    for (u32 w = addr >> 2; w < (addr + bytes + 3) >> 2; w++) {
        cells_[w].w0 = Access{epoch_[tid / kWarp], u16(tid), 15, u8(set ? Pending : 0)};
        cells_[w].w1 = Access{};
    }
}

}  // namespace fovea::cudaemu
