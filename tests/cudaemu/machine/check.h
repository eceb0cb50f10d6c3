// Shared-memory race detection: warp-level vector clocks plus a shadow cell per 32-bit word.
#pragma once
#include "tests/cudaemu/base.h"

namespace emu {

struct RaceShadow {
    static constexpr int kMaxWarps = 32;
    enum Flag : u8 { Atomic = 1, Pending = 2 };  // Pending: cp.async issued, not waited for
    struct Access {
        u32 epoch = 0;
        u16 tid = 0;
        u8 bytes = 0;
        u8 flags = 0;
    };
    struct Cell {
        Access w0, w1, r0, r1;
    };
    using Clock = u32[kMaxWarps];

    std::vector<Cell> cells;
    u32 epoch[kMaxWarps];
    u32 lane_sync[kMaxWarps];
    Clock vc[kMaxWarps];
    Clock bar[16];
    struct MbarClock {
        Clock pending, complete;
    };
    std::unordered_map<u32, MbarClock> mbar;
    u32 counter = 1;  // epochs only grow, so cells of earlier blocks are stale by construction
    int nwarps = 0;

    void start(u32 smem_bytes, int nwarps);
    void warp_sync(int w) { lane_sync[w] = ++epoch[w]; }
    void arrive(int w, Clock& c);
    void acquire(int w, const Clock& c);
    void bar_arrive(int w, int id) { arrive(w, bar[id]); }
    void bar_release(int w, int id) {
        acquire(w, bar[id]);
        warp_sync(w);
    }
    void bar_reset(int id) { memset(bar[id], 0, sizeof(Clock)); }
    void mbar_arrive(int w, u32 addr) { arrive(w, mbar[addr].pending); }
    void mbar_complete(u32 addr) {
        auto& m = mbar[addr];
        memcpy(m.complete, m.pending, sizeof(Clock));
    }
    void mbar_wait(int w, u32 addr) {
        acquire(w, mbar[addr].complete);
        warp_sync(w);
    }
    void mbar_forget(u32 addr) { mbar.erase(addr); }

    bool ordered(const Access& a, u32 tid) const {
        if (!a.bytes) return true;
        u32 aw = a.tid >> 5, w = tid >> 5;
        if (a.tid == tid) return true;
        if (aw == w) return a.epoch < lane_sync[w];
        return a.epoch <= vc[w][aw];
    }
    // Record an access of up to 4 bytes of one word. Returns a description of the conflict or null.
    struct Conflict {
        const char* what;
        u32 other;
    };
    bool access(u32 addr, u32 nbytes, u32 tid, bool write, bool atomic, bool benign, Conflict& out);
    void pending(u32 addr, u32 nbytes, u32 tid, bool set);

private:
    bool word(Cell& c, u8 bytes, u32 tid, bool write, bool atomic, bool benign, Conflict& out);
};

}  // namespace emu
