// Races in shared memory: vector clocks of the warps (as in FastTrack, Flanagan and Freund 2009),
// and for each 32-bit word who touched it last.
#pragma once

#include "tests/cudaemu/base.h"

namespace fovea::cudaemu {

class RaceShadow {
public:
    /// A block begins. Accesses of earlier blocks are ordered before all of its own.
    void start(u32 smem_bytes, int warps);

    // What orders accesses. `w` is a warp.
    void warp_sync(int w) { lane_sync_[w] = ++epoch_[w]; }
    void bar_arrive(int w, int id) { arrive(w, bar_[id]); }
    void bar_release(int w, int id) {
        acquire(w, bar_[id]);
        warp_sync(w);
    }
    void bar_reset(int id) { memset(bar_[id], 0, sizeof(Clock)); }
    void mbar_arrive(int w, u32 addr) { arrive(w, mbar_[addr].pending); }
    void mbar_complete(u32 addr) {
        MbarClock& m = mbar_[addr];
        memcpy(m.complete, m.pending, sizeof(Clock));
    }
    void mbar_wait(int w, u32 addr) {
        acquire(w, mbar_[addr].complete);
        warp_sync(w);
    }
    void mbar_forget(u32 addr) { mbar_.erase(addr); }

    struct Conflict {
        const char* what;
        u32 other;  // the other thread
    };
    /// Records an access of one thread; false, and the conflict, if it races with an earlier one.
    /// Benign: it writes what is there already.
    bool access(u32 addr, u32 bytes, u32 tid, bool write, bool atomic, bool benign, Conflict& out);
    /// Marks, or unmarks, the target of a cp.async that has not been waited for.
    void pending(u32 addr, u32 bytes, u32 tid, bool set);

private:
    static constexpr int kMaxWarps = 32;
    using Clock = u32[kMaxWarps];

    enum Flag : u8 { Atomic = 1, Pending = 2 };
    struct Access {
        u32 epoch = 0;
        u16 tid = 0;
        u8 bytes = 0;  // a mask of the word's
        u8 flags = 0;
    };
    // The last two writes and reads by different threads: two halves of a word can have two owners.
    struct Cell {
        Access w0, w1, r0, r1;
    };
    struct MbarClock {
        Clock pending = {}, complete = {};
    };

    void arrive(int w, Clock& c);
    void acquire(int w, const Clock& c);
    bool ordered(const Access& a, u32 tid) const;
    bool word(Cell& c, u8 bytes, u32 tid, bool write, bool atomic, bool benign, Conflict& out);

    std::vector<Cell> cells_;
    u32 epoch_[kMaxWarps];
    u32 lane_sync_[kMaxWarps];  // the epoch of the warp's last synchronisation of its lanes
    Clock seen_[kMaxWarps];     // [w][k]: up to which epoch of k warp w is ordered behind it
    Clock bar_[16];
    std::unordered_map<u32, MbarClock> mbar_;
    u32 first_epoch_ = 1;  // of this block; epochs only grow, so cells of earlier blocks are stale
    int warps_ = 0;
};

}  // namespace fovea::cudaemu
