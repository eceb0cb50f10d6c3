#include "tests/cudaemu/machine/access.h"

namespace fovea::cudaemu {

using ptx::Space;

void misaligned(Context& c, int lane, u64 addr, u32 size, const char* space) {
    violation(c, lane, kErrMisaligned,
              format("misaligned %s access of %u bytes at address 0x%llx", space, size, ull(addr)));
}

// ---- one lane -----------------------------------------------------------------------------------

// A shared::cluster address is (rank + 1) kClusterStride + offset.
u8* shared_ptr(Context& c, int lane, u32 addr, u32 size) {
    const Block* b = c.block;
    u32 off = addr;
    if (addr >= kClusterStride) {
        const u32 rank = addr / u32(kClusterStride) - 1, blocks = b->cluster_size;
        if (rank >= blocks)
            violation(c, lane, kErrIllegalAddress,
                      format("shared::cluster address 0x%x names no CTA of the cluster", addr));
        if (b->cluster) b = (*b->cluster)[rank];
        off = addr % u32(kClusterStride);
    }
    if (off < kSharedStart || u64(off) + size > b->smem_size)
        violation(
            c, lane, kErrIllegalAddress,
            format("out-of-bounds shared access of %u bytes at offset %lld; the block has %u "
                   "bytes (%u static, %u dynamic)",
                   size, static_cast<long long>(off) - kSharedStart, b->smem_size - kSharedStart,
                   c.launch->image->static_shared, c.launch->dyn_smem));
    return b->smem + off;
}

u8* local_ptr(Context& c, int lane, u64 addr, u32 size) {
    const u32 stride = c.launch->image->local_per_thread;
    if (addr + size > stride)
        violation(c, lane, kErrIllegalAddress,
                  format("out-of-bounds local access of %u bytes at offset %llu of %u", size,
                         ull(addr), stride));
    return c.warp->local.data() + size_t(lane) * stride + addr;
}

u8* generic_ptr(Context& c, int lane, u64 addr, u32 size, bool write) {
    if (in_shared_window(addr)) return shared_ptr(c, lane, u32(addr - kSharedWindow), size);
    if (addr - kLocalWindow < kLocalWindowSize)
        return local_ptr(c, lane, addr - kLocalWindow, size);
    u64 a[kWarp];
    a[lane] = addr;
    check_global(c, a, 1u << lane, size, write);
    return reinterpret_cast<u8*>(addr);
}

// ---- global memory ------------------------------------------------------------------------------

// The launch's own: parameters whose address was taken, the counters of a grid barrier.
static bool belongs_to_launch(const Context& c, u64 a, u32 size) {
    auto in = [&](const std::vector<u8>& v) {
        return a >= u64(v.data()) && a + size <= u64(v.data()) + v.size();
    };
    return in(c.launch->params) || in(c.launch->extra);
}

void check_global(Context& c, const u64* a, u32 mask, u32 bytes, bool write) {
    DeviceMemory& memory = DeviceMemory::get();
    AllocCache& cache = c.worker->cache;
    const int device = c.launch->device;
    if (cache.epoch != memory.epoch() || cache.device != device) {
        cache = AllocCache{};
        cache.epoch = memory.epoch();
        cache.device = device;
    }
    AllocCache::Range& known =
        cache.ranges[u64(c.inst) / sizeof(Instruction) % std::size(cache.ranges)];
    u64 lo = ~0ull, hi = 0;
    if (mask == kFull) {
        for (int i = 0; i < kWarp; i++) lo = std::min(lo, a[i]), hi = std::max(hi, a[i]);
    } else {
        for_lanes(mask, [&](int i) { lo = std::min(lo, a[i]), hi = std::max(hi, a[i]); });
    }
    if (lo >= known.lo && hi + bytes <= known.hi) return;

    for_lanes(mask, [&](int i) {
        if (a[i] >= known.lo && a[i] + bytes <= known.hi) return;
        Allocation found;
        if (memory.find(a[i], found) && a[i] + bytes <= found.base + found.size) {
            if (found.kind == MemKind::Device && found.device != device)
                violation(c, i, kErrIllegalAddress,
                          format("a kernel on device %d touches memory of device %d, without peer "
                                 "access",
                                 device, found.device));
            known = {found.base, found.base + found.size};
            return;
        }
        if (belongs_to_launch(c, a[i], bytes)) return;
        violation(
            c, i, kErrIllegalAddress,
            format("out-of-bounds global %s of %u bytes at address 0x%llx: %s",
                   write ? "write" : "read", bytes, ull(a[i]), memory.describe(a[i]).c_str()));
    });
}

void race_access(Context& c, int lane, u32 off, u32 bytes, bool write, bool atomic, bool benign) {
    if (off >= kClusterStride) return;
    const u32 tid = c.warp->id * kWarp + u32(lane);
    RaceShadow::Conflict k;
    if (c.block->race.access(off, bytes, tid, write, atomic, benign, k)) return;
    const u32* shape = c.launch->block;
    violation(c, lane, kErrLaunchFailure,
              format("shared-memory %s at offset %u (%u bytes) with thread (%u,%u,%u)", k.what,
                     off - kSharedStart, bytes, k.other % shape[0], k.other / shape[0] % shape[1],
                     k.other / shape[0] / shape[1]));
}

// ---- all lanes ----------------------------------------------------------------------------------

static void check_align(Context& c, const u64* a, u32 mask, u32 bytes, const char* space) {
    u64 any = 0;
    if (mask == kFull) {
        for (int i = 0; i < kWarp; i++) any |= a[i];
    } else {
        for_lanes(mask, [&](int i) { any |= a[i]; });
    }
    if (!(any & (bytes - 1))) return;
    for_lanes(mask, [&](int i) {
        if (a[i] & (bytes - 1)) misaligned(c, i, a[i], bytes, space);
    });
}

// A lane in shared memory of this block, or of another one of the cluster.
static void resolve_shared_lane(Context& c, int i, u32 offset, u32 bytes, Access& out) {
    out.a[i] = u64(shared_ptr(c, i, offset, bytes));
    const u32 rank = offset / u32(kClusterStride);
    if (rank && rank - 1 != c.block->cluster_rank) return;
    out.soff[i] = offset % u32(kClusterStride);
    out.shared |= 1u << i;
}

static void resolve_shared(Context& c, u32 mask, u32 bytes, Access& out) {
    u32 lo = ~0u, hi = 0;
    for_lanes(mask, [&](int i) {
        const u32 offset = u32(out.a[i]);
        lo = std::min(lo, offset);
        hi = std::max(hi, offset);
    });
    if (lo >= kSharedStart && u64(hi) + bytes <= c.block->smem_size) {
        const u64 base = u64(c.block->smem);
        out.shared = mask;
        for_lanes(mask, [&](int i) {
            out.soff[i] = u32(out.a[i]);
            out.a[i] = base + out.soff[i];
        });
    } else {
        for_lanes(mask, [&](int i) { resolve_shared_lane(c, i, u32(out.a[i]), bytes, out); });
    }
}

void resolve(Context& c, const Instruction& I, int k, u32 bytes, bool write, Access& out) {
    lane_addresses(c, I, k, out.a);
    const u32 mask = c.mask;
    u32 global = 0;
    out.shared = 0;
    switch (I.space) {
        case Space::Global:
        case Space::Const:
            check_align(c, out.a, mask, bytes, "global");
            check_global(c, out.a, mask, bytes, write);
            if (I.space == Space::Global) global = mask;
            break;
        case Space::Param:  // a kernel parameter whose address is in a register
            check_global(c, out.a, mask, bytes, write);
            break;
        case Space::Shared:
            check_align(c, out.a, mask, bytes, "shared");
            resolve_shared(c, mask, bytes, out);
            break;
        case Space::Local:
            check_align(c, out.a, mask, bytes, "local");
            for_lanes(mask, [&](int i) {
                const u64 a = out.a[i] >= kLocalWindow ? out.a[i] - kLocalWindow : out.a[i];
                out.a[i] = u64(local_ptr(c, i, a, bytes));
            });
            break;
        default:  // generic
            check_align(c, out.a, mask, bytes, "generic");
            for_lanes(mask, [&](int i) {
                if (in_shared_window(out.a[i]))
                    resolve_shared_lane(c, i, u32(out.a[i] - kSharedWindow), bytes, out);
                else if (out.a[i] - kLocalWindow < kLocalWindowSize)
                    out.a[i] = u64(local_ptr(c, i, out.a[i] - kLocalWindow, bytes));
                else
                    global |= 1u << i;
            });
            if (global) check_global(c, out.a, global, bytes, write);
    }
    if (!c.stats) return;
    if (global) stats_global_access(c.worker->st, out.a, global, bytes, write);
    if (out.shared) stats_shared_access(c.worker->st, out.soff, out.shared, bytes);
}

}  // namespace fovea::cudaemu
