// cp.async, cp.async.bulk, mbarrier, st.async / red.async, cluster barriers.
#include <algorithm>

#include "tests/cudaemu/decode/decode.h"
#include "tests/cudaemu/machine/access.h"

namespace emu {

using ptx::Operand;
using ptx::Space;
using ptx::Ty;

namespace {

u32 shared_off(u64 a) {
    return a - kSharedWindow < kSharedWindowSize ? u32(a - kSharedWindow) : u32(a);
}

// The block owning a shared::cluster offset; off becomes local to it.
Block* owner(Ctx& c, u32& off) {
    if (off < kClusterStride) return c.block;
    u32 rank = off / u32(kClusterStride) - 1;
    off %= u32(kClusterStride);
    if (!c.block->cluster) return c.block;
    return (*c.block->cluster)[rank];
}

// ---- cp.async ---------------------------------------------------------------------------------

// o[0] source address slot (64-bit), o[1] source size (or kNoSlot), o[2] ignore-src predicate; o[5] dst; imm dst offset
void exec_cp_async(Ctx& c, const Inst& I) {
    u64 dst[kWarp], src[kWarp];
    lane_addresses(c, I, 5, dst);
    const u64* s = slot<u64>(c, I.o[0]);
    i64 simm = i64(i32(I.ext));
    u32 bytes = I.esz;
    Warp& w = *c.warp;
    w.async.emplace_back();
    AsyncCopy& q = w.async.back();
    q.mask = c.mask;
    q.bytes = bytes;
    u32 ignore = I.o[2] == kNoSlot ? 0 : pred(c, I.o[2]);
    const u32* sz = I.o[1] == kNoSlot ? nullptr : slot<u32>(c, I.o[1]);
    u32 sm = 0, full = 0, so[kWarp];
    for_lanes(c.mask, [&](int i) {
        u32 n = sz ? sz[i] : bytes;
        if (n > bytes)
            violation(c, i, kErrIllegalInstruction,
                      format("cp.async source size %u exceeds copy size %u", n, bytes));
        if (ignore >> i & 1) n = 0;
        src[i] = s[i] + u64(simm);
        u32 off = shared_off(dst[i]);
        if (off & (bytes - 1)) misaligned(c, i, off, bytes, "cp.async shared");
        shared_ptr(c, i, off, bytes);
        memset(q.data[i], 0, 16);
        if (n) {
            if (src[i] & (bytes - 1)) misaligned(c, i, src[i], bytes, "cp.async global");
            if (n == bytes)
                full |= 1u << i;
            else
                check_global(c, src, 1u << i, n, false),
                    memcpy(q.data[i], reinterpret_cast<void*>(src[i]), n);
            sm |= 1u << i;
        }
        q.dst[i] = so[i] = off;
        q.group[i] = w.commit[i];
        if (c.check) {
            race_access(c, i, off, bytes, true, false, false);
            c.block->race.pending(off, bytes, w.id * 32 + u32(i), true);
        }
    });
    if (full) {
        check_global(c, src, full, bytes, false);
        for_lanes(full, [&](int i) { memcpy(q.data[i], reinterpret_cast<void*>(src[i]), bytes); });
    }
    if (c.stats) {
        if (sm) stats_global_access(c.worker->st, src, sm, bytes, false);
        stats_shared_access(c.worker->st, so, c.mask, bytes);
    }
}

// Makes copies of the active lanes visible whose group is older than the `keep` newest ones.
void complete_async(Ctx& c, u32 keep, bool all) {
    Warp& w = *c.warp;
    for (auto& q : w.async) {
        u32 m = q.mask & c.mask;
        if (!m) continue;
        for_lanes(m, [&](int i) {
            if (!all && !(q.group[i] + keep < w.commit[i])) return;
            memcpy(c.block->smem + q.dst[i], q.data[i], q.bytes);
            if (c.check) c.block->race.pending(q.dst[i], q.bytes, w.id * 32 + u32(i), false);
            q.mask &= ~(1u << i);
        });
    }
    while (!w.async.empty() && !w.async.front().mask) w.async.pop_front();
}
void exec_cp_commit(Ctx& c, const Inst&) {
    for_lanes(c.mask, [&](int i) { c.warp->commit[i]++; });
}
void exec_cp_wait(Ctx& c, const Inst& I) { complete_async(c, u32(I.imm), I.sub); }

// ---- mbarrier ---------------------------------------------------------------------------------

struct MBar {  // 64-bit object in shared memory
    u32 pending, expected;
    i32 tx;
    u32 phase;
    static constexpr u64 kInvalid = 1ull << 63;
};
MBar mb_load(Ctx& c, int lane, Block* b, u32 off) {
    if (off & 7) misaligned(c, lane, off, 8, "mbarrier");
    if (off < kSharedStart || off + 8 > b->smem_size)
        violation(
            c, lane, kErrIllegalAddress,
            format("mbarrier at shared offset %d is out of bounds", i32(off) - i32(kSharedStart)));
    u64 v;
    memcpy(&v, b->smem + off, 8);
    if (v & MBar::kInvalid)
        violation(c, lane, kErrIllegalInstruction, "mbarrier used before mbarrier.init");
    MBar m;
    m.pending = u32(v & 0xfffff);
    m.expected = u32(v >> 20 & 0xfffff);
    m.tx = i32(u32(v >> 40 & 0x3fffff) << 10) >> 10;
    m.phase = u32(v >> 62 & 1);
    return m;
}
u64 mb_bits(const MBar& m) {
    return u64(m.pending & 0xfffff) | u64(m.expected & 0xfffff) << 20 |
           (u64(u32(m.tx)) & 0x3fffff) << 40 | u64(m.phase) << 62;
}
void mb_store(Ctx& c, Block* b, u32 off, MBar m) {
    if (m.pending == 0 && m.tx == 0) {
        m.phase ^= 1;
        m.pending = m.expected;
        if (c.check) b->race.mbar_complete(off);
        for (auto& w : b->warps) w->polls = 0;
    }
    u64 v = mb_bits(m);
    memcpy(b->smem + off, &v, 8);
}

// Applies bulk copies aimed at the barrier: they land when somebody polls it.
void land_bulk(Ctx& c, Block* b, u32 off) {
    for (size_t i = 0; i < b->bulk.size();) {
        BulkCopy& k = b->bulk[i];
        if (k.mbar != off) {
            i++;
            continue;
        }
        size_t at = 0;
        for (auto& [o, n] : k.pieces) {
            memcpy(b->smem + o, k.data.data() + at, n);
            at += n;
        }
        MBar m = mb_load(c, std::countr_zero(c.mask), b, off);
        m.tx -= i32(at);
        b->bulk.erase(b->bulk.begin() + long(i));
        mb_store(c, b, off, m);
    }
}

// sub: 0 init 1 inval 2 arrive 3 arrive_drop 4 expect_tx 5 complete_tx; flags bit0: expect_tx on arrive, bit1 noComplete
// o[0] state dst, o[1] count / tx, o[5] address
void exec_mbar(Ctx& c, const Inst& I) {
    u64 a[kWarp];
    lane_addresses(c, I, 5, a);
    const u32* cnt = I.o[1] == kNoSlot ? nullptr : slot<u32>(c, I.o[1]);
    for_lanes(c.mask, [&](int i) {
        u32 off = shared_off(a[i]);
        Block* b = owner(c, off);
        if (I.sub == 0) {
            if (off & 7) misaligned(c, i, off, 8, "mbarrier");
            shared_ptr(c, i, off, 8);
            MBar m{cnt[i], cnt[i], 0, 0};
            u64 v = mb_bits(m);
            memcpy(b->smem + off, &v, 8);
            if (c.check) b->race.mbar_forget(off);
            return;
        }
        MBar m = mb_load(c, i, b, off);
        if (I.o[0] != kNoSlot) slot<u64>(c, I.o[0])[i] = mb_bits(m);
        u32 k = cnt ? cnt[i] : 1;
        switch (I.sub) {
            case 1: {
                u64 v = ~0ull;
                memcpy(b->smem + off, &v, 8);
                return;
            }
            case 2:
            case 3:
                if (I.flags & 1) {
                    m.tx += i32(k);
                    k = 1;
                }
                if (c.check && b == c.block) b->race.mbar_arrive(int(c.warp->id), off);
                if (m.pending < k)
                    violation(c, i, kErrIllegalInstruction, "mbarrier arrival count underflow");
                m.pending -= k;
                if (I.sub == 3) m.expected -= k;
                break;
            case 4: m.tx += i32(k); break;
            case 5: m.tx -= i32(k); break;
        }
        mb_store(c, b, off, m);
    });
}
// sub bit0: parity form. o[0] pred, o[1] state or parity, o[5] address
void exec_mbar_wait(Ctx& c, const Inst& I) {
    u64 a[kWarp];
    lane_addresses(c, I, 5, a);
    u32 r = 0;
    for_lanes(c.mask, [&](int i) {
        u32 off = shared_off(a[i]);
        Block* b = owner(c, off);
        land_bulk(c, b, off);
        MBar m = mb_load(c, i, b, off);
        u32 phase =
            (I.sub & 1) ? slot<u32>(c, I.o[1])[i] & 1 : u32(slot<u64>(c, I.o[1])[i] >> 62 & 1);
        if (m.phase != phase) {
            r |= 1u << i;
            if (c.check) b->race.mbar_wait(int(c.warp->id), off);
        }
    });
    set_pred(c, I.o[0], r);
    if (r)
        c.warp->polls = 0;
    else
        c.warp->polls++;
}
void exec_mbar_pending(Ctx& c, const Inst& I) {
    u32* d = slot<u32>(c, I.o[0]);
    const u64* s = slot<u64>(c, I.o[1]);
    for_lanes(c.mask, [&](int i) { d[i] = u32(s[i] & 0xfffff); });
}
// cp.async.mbarrier.arrive[.noinc]: earlier cp.async of the thread complete, then it arrives.
void exec_cp_mbar_arrive(Ctx& c, const Inst& I) {
    complete_async(c, 0, true);
    u64 a[kWarp];
    lane_addresses(c, I, 5, a);
    for_lanes(c.mask, [&](int i) {
        u32 off = shared_off(a[i]);
        Block* b = owner(c, off);
        MBar m = mb_load(c, i, b, off);
        if (c.check && b == c.block) b->race.mbar_arrive(int(c.warp->id), off);
        if (!I.sub) return;  // without noinc the pending count is raised by one and lowered again
        if (!m.pending) violation(c, i, kErrIllegalInstruction, "mbarrier arrival count underflow");
        m.pending--;
        mb_store(c, b, off, m);
    });
}

// ---- bulk copies ------------------------------------------------------------------------------

// sub: 0 global->shared, 1 shared->global, 2 shared::cta->shared::cluster, 3 reduce add shared->global (f32/s32/u32...)
// ext: dst, src, size, mbar slots; imm bits unused
struct BulkArgs {
    u64 dst, src;
    u32 size;
    u32 mbar;
};
void exec_bulk(Ctx& c, const Inst& I) {
    const u32* e = c.prog->ext.data() + I.ext;
    for_lanes(c.mask, [&](int i) {
        auto addr = [&](int k) {
            u64 off = u64(i64(i32(e[8 + k])));
            return (e[4 + k] ? slot<u64>(c, e[k])[i] : slot<u32>(c, e[k])[i]) + off;
        };
        u64 dst = addr(0), src = addr(1);
        u32 size = slot<u32>(c, e[2])[i];
        if ((size | dst | src) & 15)
            misaligned(c, i, (dst & 15) ? dst : (src & 15) ? src : size, 16, "cp.async.bulk");
        if (I.sub == 1) {
            u32 so = shared_off(src);
            u8* p = shared_ptr(c, i, so, size);
            u64 a[kWarp];
            a[i] = dst;
            check_global(c, a, 1u << i, size, true);
            if (c.check)
                for (u32 k = 0; k < size; k += 16)
                    race_access(c, i, so + k, 16, false, false, false);
            memcpy(reinterpret_cast<void*>(dst), p, size);
            if (c.stats)
                for (u32 k = 0; k < size; k += 512) {
                    u64 x[kWarp];
                    u32 m = 0;
                    for (u32 l = 0; l < 32 && k + l * 16 < size; l++)
                        x[l] = dst + k + l * 16, m |= 1u << l;
                    stats_global_access(c.worker->st, x, m, 16, true);
                }
            return;
        }
        u32 doff = shared_off(dst), moff = shared_off(addr(3));
        Block* b = owner(c, doff);
        if (moff >= kClusterStride) moff %= u32(kClusterStride);
        if (doff < kSharedStart || doff + size > b->smem_size)
            violation(c, i, kErrIllegalAddress, "cp.async.bulk destination out of bounds");
        BulkCopy k;
        k.mbar = moff;
        if (I.sub == 0) {
            u64 a[kWarp];
            a[i] = src;
            check_global(c, a, 1u << i, size, false);
            k.data.assign(reinterpret_cast<u8*>(src), reinterpret_cast<u8*>(src) + size);
            if (c.stats)
                for (u32 q = 0; q < size; q += 512) {
                    u64 x[kWarp];
                    u32 m = 0;
                    for (u32 l = 0; l < 32 && q + l * 16 < size; l++)
                        x[l] = src + q + l * 16, m |= 1u << l;
                    stats_global_access(c.worker->st, x, m, 16, false);
                }
        } else {
            u8* p = shared_ptr(c, i, shared_off(src), size);
            k.data.assign(p, p + size);
        }
        k.pieces.push_back({doff, size});
        b->bulk.push_back(std::move(k));
    });
}
void exec_nothing(Ctx&, const Inst&) {}

// ---- cluster barrier --------------------------------------------------------------------------

// sub: 0 arrive, 1 wait
void exec_cluster_bar(Ctx& c, const Inst& I) {
    Block* lead = c.block->cluster ? (*c.block->cluster)[0] : c.block;
    Warp& w = *c.warp;
    if (I.sub == 0) {
        w.cluster_phase = lead->cluster_gen;
        lead->cluster_arrived += u32(std::popcount(c.mask));
        u32 total = c.block->nthreads * c.block->cluster_size;
        if (lead->cluster_arrived >= total) {
            lead->cluster_arrived = 0;
            lead->cluster_gen++;
            if (c.block->cluster)
                for (Block* b : *c.block->cluster)
                    for (auto& x : b->warps) x->cluster_wait = false;
            if (c.check && c.block->cluster_size == 1)
                for (u32 k = 0; k < c.block->nwarps; k++) c.block->race.bar_arrive(int(k), 0);
            if (c.check && c.block->cluster_size == 1)
                for (u32 k = 0; k < c.block->nwarps; k++) c.block->race.bar_release(int(k), 0);
        }
        if (c.check && c.block->cluster_size > 1) c.block->race.bar_arrive(int(w.id), 15);
        return;
    }
    // wait: spin (the scheduler runs the other warps and CTAs)
    u32* p = slot<u32>(c, I.o[0]);
    bool done = lead->cluster_gen != w.cluster_phase;
    *p = done ? kFull : 0;
    if (done) {
        w.polls = 0;
        if (c.check && c.block->cluster_size > 1) c.block->race.bar_release(int(w.id), 15);
    }
}

}  // namespace

bool decode_async(Decoder& d, const ptx::Instr& in, Inst& I) {
    const std::string& op = in.parts[0];
    I.cls = Cls::Async;
    if (op == "cp" && in.parts.size() > 2 && in.parts[1] == "async") {
        const std::string& k = in.parts[2];
        if (k == "commit_group") {
            I.fn = exec_cp_commit;
            return true;
        }
        if (k == "wait_group") {
            I.fn = exec_cp_wait;
            I.imm = in.ops[0].imm;
            return true;
        }
        if (k == "wait_all") {
            I.fn = exec_cp_wait;
            I.sub = 1;
            return true;
        }
        if (k == "mbarrier") {
            I.fn = exec_cp_mbar_arrive;
            I.sub = in.has("noinc");
            d.address(in.ops[0], I, 5);
            return true;
        }
        if (k == "ca" || k == "cg") {
            I.fn = exec_cp_async;
            Inst s;
            d.address(in.ops[1], s, 5);
            if (!s.a64) d.unsupported(in, "32-bit global address");
            I.o[0] = s.o[5];
            d.address(in.ops[0], I, 5);
            I.ext = u32(i32(s.imm));
            I.esz = u8(in.ops[2].imm);
            bool hint = in.has("L2::cache_hint");
            if (in.ops.size() > 3 && !(hint && in.ops.size() == 4)) {
                const Operand& o = in.ops[3];
                if (o.kind == Operand::Reg && d.reg_type(o.reg) == Ty::Pred)
                    I.o[2] = d.pred_src(o);
                else
                    I.o[1] = d.src_w(o, 4);
            }
            return true;
        }
        if (k == "bulk") {
            if (in.has("commit_group") || in.has("wait_group") || in.has("prefetch")) {
                I.fn = exec_nothing;
                return true;
            }
            if (in.has("tensor")) return false;
            // destination and source spaces appear in order
            std::vector<std::string> sp;
            for (auto& p : in.parts)
                if (p == "global" || p.substr(0, 6) == "shared") sp.push_back(p);
            if (sp.size() < 2 || in.has("multicast::cluster") || in.has("cp_mask")) return false;
            I.sub = sp[0] == "global" ? 1 : sp[1] == "global" ? 0 : 2;
            I.fn = exec_bulk;
            u32 slots[4] = {}, wide[4] = {}, imm[4] = {};
            auto put = [&](int i, const Operand& o) {
                Inst t;
                d.address(o, t, 5);
                slots[i] = t.o[5];
                wide[i] = t.a64;
                imm[i] = u32(i32(t.imm));
            };
            put(0, in.ops[0]);
            put(1, in.ops[1]);
            slots[2] = d.src_w(in.ops[2], 4);
            if (I.sub != 1) put(3, in.ops[3]);
            I.ext = d.ext_begin();
            for (u32 x : slots) d.ext_push(x);
            for (u32 x : wide) d.ext_push(x);
            for (u32 x : imm) d.ext_push(x);
            return true;
        }
        return false;
    }
    if (op == "mbarrier") {
        const std::string& k = in.parts[1];
        I.fn = exec_mbar;
        if (k == "init") {
            I.sub = 0;
            d.address(in.ops[0], I, 5);
            I.o[1] = d.src_w(in.ops[1], 4);
            return true;
        }
        if (k == "inval") {
            I.sub = 1;
            d.address(in.ops[0], I, 5);
            return true;
        }
        if (k == "expect_tx" || k == "complete_tx") {
            I.sub = k == "expect_tx" ? 4 : 5;
            d.address(in.ops[0], I, 5);
            I.o[1] = d.src_w(in.ops[1], 4);
            return true;
        }
        if (k == "arrive" || k == "arrive_drop") {
            I.sub = k == "arrive" ? 2 : 3;
            I.flags = in.has("expect_tx");
            size_t p = 0;
            if (in.ops[0].kind != Operand::Addr) {
                I.o[0] = in.ops[0].kind == Operand::Sink ? kNoSlot : d.dst(in.ops[0]);
                p = 1;
            }
            d.address(in.ops[p], I, 5);
            if (in.ops.size() > p + 1) I.o[1] = d.src_w(in.ops[p + 1], 4);
            return true;
        }
        if (k == "test_wait" || k == "try_wait") {
            I.fn = exec_mbar_wait;
            I.kind = Kind::Yield;
            I.sub = in.has("parity");
            I.o[0] = d.pred_dst(in.ops[0]);
            d.address(in.ops[1], I, 5);
            I.o[1] = d.src_w(in.ops[2], I.sub ? 4 : 8);
            return true;
        }
        if (k == "pending_count") {
            I.fn = exec_mbar_pending;
            I.o[0] = d.dst(in.ops[0]);
            I.o[1] = d.src_w(in.ops[1], 8);
            return true;
        }
        return false;
    }
    if (op == "barrier" && in.parts.size() > 2 && in.parts[1] == "cluster") {
        I.cls = Cls::Barrier;
        I.fn = exec_cluster_bar;
        if (in.parts[2] == "arrive") {
            I.sub = 0;
            return true;
        }
        // wait: a polling loop "again: wait p; @!p bra again"
        I.sub = 1;
        I.kind = Kind::Yield;
        I.o[0] = d.scratch(4);
        I.src = d.current;
        d.emit_cluster_wait(I);
        return true;
    }
    return false;
}

}  // namespace emu
