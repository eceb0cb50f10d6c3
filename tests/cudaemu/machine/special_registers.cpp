// The values of the special registers.
#include <time.h>

#include "tests/cudaemu/machine/config.h"
#include "tests/cudaemu/machine/state.h"

namespace fovea::cudaemu {

void init_warp_sregs(Warp& w, Frame& f) {
    const Block& b = *w.block;
    const Launch& l = *b.launch;
    const u32* bd = l.block;
    const u32* cl = l.cluster;
    const u32 t0 = w.id * kWarp;
    for (const SRegSlot& s : f.prog->sregs) {
        u32* d = reinterpret_cast<u32*>(f.regs + s.slot);
        auto all = [&](u32 v) { std::fill(d, d + kWarp, v); };
        auto lanes = [&](auto fn) {
            for (u32 i = 0; i < kWarp; i++) d[i] = fn(i);
        };
        switch (s.id) {
            case SR::tid_x: lanes([&](u32 i) { return (t0 + i) % bd[0]; }); break;
            case SR::tid_y: lanes([&](u32 i) { return (t0 + i) / bd[0] % bd[1]; }); break;
            case SR::tid_z: lanes([&](u32 i) { return (t0 + i) / (bd[0] * bd[1]); }); break;
            case SR::ntid_x: all(bd[0]); break;
            case SR::ntid_y: all(bd[1]); break;
            case SR::ntid_z: all(bd[2]); break;
            case SR::ctaid_x: all(b.ctaid[0]); break;
            case SR::ctaid_y: all(b.ctaid[1]); break;
            case SR::ctaid_z: all(b.ctaid[2]); break;
            case SR::nctaid_x: all(l.grid[0]); break;
            case SR::nctaid_y: all(l.grid[1]); break;
            case SR::nctaid_z: all(l.grid[2]); break;
            case SR::laneid: lanes([](u32 i) { return i; }); break;
            case SR::warpid: all(w.id); break;
            case SR::nwarpid: all(b.nwarps); break;
            case SR::smid: all(b.linear % u32(config().sms)); break;
            case SR::nsmid: all(u32(config().sms)); break;
            case SR::gridid: {
                u64* q = reinterpret_cast<u64*>(d);
                std::fill(q, q + kWarp, l.grid_id);
                break;
            }
            case SR::local_base: break;  // set by calls
            case SR::lanemask_eq: lanes([](u32 i) { return 1u << i; }); break;
            case SR::lanemask_le: lanes([](u32 i) { return u32((2ull << i) - 1); }); break;
            case SR::lanemask_lt: lanes([](u32 i) { return (1u << i) - 1; }); break;
            case SR::lanemask_ge: lanes([](u32 i) { return ~((1u << i) - 1); }); break;
            case SR::lanemask_gt: lanes([](u32 i) { return ~u32((2ull << i) - 1); }); break;
            case SR::dynamic_smem_size: all(l.dyn_smem); break;
            case SR::total_smem_size:
            case SR::aggr_smem_size: all(b.smem_size); break;
            case SR::reserved_smem_offset_begin: all(0); break;
            case SR::reserved_smem_offset_end:
            case SR::reserved_smem_offset_cap: all(kSharedStart); break;
            case SR::cluster_ctaid_x: all(b.cluster_ctaid[0]); break;
            case SR::cluster_ctaid_y: all(b.cluster_ctaid[1]); break;
            case SR::cluster_ctaid_z: all(b.cluster_ctaid[2]); break;
            case SR::cluster_nctaid_x: all(cl[0]); break;
            case SR::cluster_nctaid_y: all(cl[1]); break;
            case SR::cluster_nctaid_z: all(cl[2]); break;
            case SR::clusterid_x: all(b.ctaid[0] / cl[0]); break;
            case SR::clusterid_y: all(b.ctaid[1] / cl[1]); break;
            case SR::clusterid_z: all(b.ctaid[2] / cl[2]); break;
            case SR::nclusterid_x: all(l.grid[0] / cl[0]); break;
            case SR::nclusterid_y: all(l.grid[1] / cl[1]); break;
            case SR::nclusterid_z: all(l.grid[2] / cl[2]); break;
            case SR::cluster_ctarank: all(b.cluster_rank); break;
            case SR::cluster_nctarank: all(b.cluster_size); break;
            case SR::is_explicit_cluster: *d = b.cluster_size > 1 ? kFull : 0; break;
            case SR::envreg1: all(u32(u64(l.extra.data()) >> 32)); break;
            case SR::envreg2: all(u32(u64(l.extra.data()))); break;
            default: die("special register not initialised");
        }
    }
}

u64 dynamic_sreg(Context& c, SR id) {
    switch (id) {
        case SR::clock:
        case SR::clock64: return c.warp->insts += 4;  // programs expect it to advance
        case SR::clock_hi: return c.warp->insts >> 32;
        default:
            timespec t;
            clock_gettime(CLOCK_REALTIME, &t);
            const u64 ns = u64(t.tv_sec) * 1000000000ull + u64(t.tv_nsec);
            return id == SR::globaltimer_hi ? ns >> 32 : ns;
    }
}

}  // namespace fovea::cudaemu
