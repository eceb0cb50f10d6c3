#include "tests/cudaemu/machine/access.h"

#include <algorithm>

namespace emu {

using ptx::Space;

void misaligned(Ctx& c, int lane, u64 addr, u32 size, const char* space) {
    violation(c, lane, kErrMisaligned,
              format("misaligned %s access of %u bytes at address 0x%llx", space, size,
                     (unsigned long long)addr));
}

u8* shared_ptr(Ctx& c, int lane, u32 addr, u32 size) {
    Block* b = c.block;
    u32 off = addr;
    if (addr >= kClusterStride && b->cluster) {  // shared::cluster address
        u32 rank = (addr / u32(kClusterStride)) - 1;
        if (rank >= b->cluster->size())
            violation(c, lane, kErrIllegalAddress,
                      format("shared::cluster address 0x%x names no CTA of the cluster", addr));
        b = (*b->cluster)[rank];
        off = addr % u32(kClusterStride);
    } else if (addr >= kClusterStride && addr < 2 * kClusterStride) {
        off = addr % u32(kClusterStride);  // cluster of one
    }
    if (off < kSharedStart || u64(off) + size > b->smem_size)
        violation(
            c, lane, kErrIllegalAddress,
            format("out-of-bounds shared access of %u bytes at offset %lld; the block has %u bytes "
                   "(%u static, %u dynamic)",
                   size, (long long)off - (long long)kSharedStart, b->smem_size - kSharedStart,
                   c.launch->image->static_shared, c.launch->dyn_smem));
    return b->smem + off;
}

u8* local_ptr(Ctx& c, int lane, u64 addr, u32 size) {
    u32 stride = c.launch->image->local_per_thread;
    if (addr + size > stride)
        violation(c, lane, kErrIllegalAddress,
                  format("out-of-bounds local access of %u bytes at offset %llu of %u", size,
                         (unsigned long long)addr, stride));
    return c.warp->local.data() + size_t(lane) * stride + addr;
}

static bool special_range(Ctx& c, u64 a, u32 size) {
    auto in = [&](const std::vector<u8>& v) {
        return a >= u64(v.data()) && a + size <= u64(v.data()) + v.size();
    };
    return in(c.launch->params) || in(c.launch->extra);
}

static void bad_global(Ctx& c, int lane, u64 a, u32 size, bool write) {
    violation(c, lane, kErrIllegalAddress,
              format("out-of-bounds global %s of %u bytes at address 0x%llx: %s",
                     write ? "write" : "read", size, (unsigned long long)a,
                     DeviceMemory::get().describe(a).c_str()));
}

void check_global(Ctx& c, const u64* a, u32 mask, u32 bytes, bool write) {
    auto& dm = DeviceMemory::get();
    AllocCache& ac = c.worker->cache;
    u64 ep = dm.epoch();
    if (ac.epoch != ep) {
        for (auto& e : ac.e) e = AllocCache::Entry{};
        ac.epoch = ep;
    }
    auto& e = ac.e[(u64(c.inst) / sizeof(Inst)) & 127];
    u64 lo = ~0ull, hi = 0;
    if (mask == kFull) {
        for (int i = 0; i < kWarp; i++) lo = std::min(lo, a[i]), hi = std::max(hi, a[i]);
    } else {
        for_lanes(mask, [&](int i) { lo = std::min(lo, a[i]), hi = std::max(hi, a[i]); });
    }
    if (lo >= e.lo && hi + bytes <= e.hi) return;
    for_lanes(mask, [&](int i) {
        if (a[i] >= e.lo && a[i] + bytes <= e.hi) return;
        Allocation al;
        if (dm.find(a[i], al)) {
            if (a[i] + bytes > al.base + al.size) bad_global(c, i, a[i], bytes, write);
            e.lo = al.base;
            e.hi = al.base + al.size;
            return;
        }
        if (special_range(c, a[i], bytes)) return;
        bad_global(c, i, a[i], bytes, write);
    });
}

u8* generic_ptr(Ctx& c, int lane, u64 addr, u32 size, bool write) {
    if (addr - kSharedWindow < kSharedWindowSize)
        return shared_ptr(c, lane, u32(addr - kSharedWindow), size);
    if (addr - kLocalWindow < kLocalWindowSize)
        return local_ptr(c, lane, addr - kLocalWindow, size);
    u64 a[kWarp];
    a[lane] = addr;
    check_global(c, a, 1u << lane, size, write);
    return reinterpret_cast<u8*>(addr);
}

void race_access(Ctx& c, int lane, u32 off, u32 bytes, bool write, bool atomic, bool benign) {
    if (off >= kClusterStride) return;
    RaceShadow::Conflict k;
    u32 tid = c.warp->id * 32 + u32(lane);
    if (c.block->race.access(off, bytes, tid, write, atomic, benign, k)) return;
    const u32* bd = c.launch->block;
    violation(c, lane, kErrLaunchFailure,
              format("shared-memory %s at offset %u (%u bytes) with thread (%u,%u,%u)", k.what,
                     off - kSharedStart, bytes, k.other % bd[0], k.other / bd[0] % bd[1],
                     k.other / bd[0] / bd[1]));
}

static void check_align(Ctx& c, const u64* a, u32 mask, u32 bytes, const char* space) {
    if (bytes & (bytes - 1)) return;
    u64 bad = 0;
    if (mask == kFull) {
        for (int i = 0; i < kWarp; i++) bad |= a[i];
    } else {
        for_lanes(mask, [&](int i) { bad |= a[i]; });
    }
    if (bad & (bytes - 1))
        for_lanes(mask, [&](int i) {
            if (a[i] & (bytes - 1)) misaligned(c, i, a[i], bytes, space);
        });
}

void resolve(Ctx& c, const Inst& I, int k, u32 bytes, bool write, Access& out) {
    lane_addresses(c, I, k, out.a);
    u32 mask = c.mask;
    out.shared = 0;
    switch (I.space) {
        case Space::Global:
        case Space::Const:
            check_align(c, out.a, mask, bytes, "global");
            check_global(c, out.a, mask, bytes, write);
            if (c.stats && I.space == Space::Global)
                stats_global_access(c.worker->st, out.a, mask, bytes, write);
            return;
        case Space::Shared: {
            check_align(c, out.a, mask, bytes, "shared");
            out.shared = mask;
            u64 base = u64(c.block->smem);
            u32 lo = ~0u, hi = 0;
            for_lanes(mask, [&](int i) {
                u32 o = u32(out.a[i]);
                out.soff[i] = o;
                lo = std::min(lo, o);
                hi = std::max(hi, o);
            });
            if (lo >= kSharedStart && u64(hi) + bytes <= c.block->smem_size) {
                for_lanes(mask, [&](int i) { out.a[i] = base + out.soff[i]; });
            } else {
                for_lanes(mask, [&](int i) {
                    out.a[i] = u64(shared_ptr(c, i, out.soff[i], bytes));
                    if (out.soff[i] >= kClusterStride) {
                        if (out.soff[i] / kClusterStride - 1 == c.block->cluster_rank)
                            out.soff[i] %= kClusterStride;
                        else
                            out.shared &= ~(1u << i);
                    }
                });
            }
            if (c.stats) stats_shared_access(c.worker->st, out.soff, mask, bytes);
            return;
        }
        case Space::Local:
            check_align(c, out.a, mask, bytes, "local");
            for_lanes(mask, [&](int i) {
                out.a[i] = u64(local_ptr(
                    c, i, out.a[i] >= kLocalWindow ? out.a[i] - kLocalWindow : out.a[i], bytes));
            });
            return;
        case Space::Param:  // register-based address of a kernel parameter
            check_global(c, out.a, mask, bytes, write);
            return;
        default: {
            check_align(c, out.a, mask, bytes, "generic");
            u32 glob = 0;
            for_lanes(mask, [&](int i) {
                u64 a = out.a[i];
                if (a - kSharedWindow < kSharedWindowSize) {
                    out.soff[i] = u32(a - kSharedWindow);
                    out.a[i] = u64(shared_ptr(c, i, out.soff[i], bytes));
                    if (out.soff[i] >= kClusterStride) {
                        if (out.soff[i] / kClusterStride - 1 == c.block->cluster_rank)
                            out.soff[i] %= kClusterStride;
                        else
                            return;
                    }
                    out.shared |= 1u << i;
                } else if (a - kLocalWindow < kLocalWindowSize) {
                    out.a[i] = u64(local_ptr(c, i, a - kLocalWindow, bytes));
                } else {
                    glob |= 1u << i;
                }
            });
            if (glob) {
                check_global(c, out.a, glob, bytes, write);
                if (c.stats) stats_global_access(c.worker->st, out.a, glob, bytes, write);
            }
            if (c.stats && out.shared)
                stats_shared_access(c.worker->st, out.soff, out.shared, bytes);
        }
    }
}

}  // namespace emu
