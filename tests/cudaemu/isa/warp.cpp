// Warp-level communication: shfl, vote, match, redux, elect, ldmatrix, stmatrix, movmatrix.
#include <algorithm>

#include "tests/cudaemu/decode/decode.h"
#include "tests/cudaemu/machine/access.h"

namespace emu {

using ptx::Operand;
using ptx::Ty;

namespace {

u32 members(Ctx& c, const Inst& I, int i) {
    return I.member == kNoSlot ? c.mask : slot<u32>(c, I.member)[i] & c.mask;
}

// o[0] dst, o[1] predicate, o[2] src, o[3] b, o[4] c; sub: 0 up, 1 down, 2 bfly, 3 idx
void exec_shfl(Ctx& c, const Inst& I) {
    u32* d = slot<u32>(c, I.o[0]);
    const u32 *a = slot<u32>(c, I.o[2]), *b = slot<u32>(c, I.o[3]), *cc = slot<u32>(c, I.o[4]);
    u32 t[kWarp], p = 0;
    for_lanes(c.mask, [&](int i) {
        u32 lane = u32(i), bv = b[i] & 31, seg = cc[i] >> 8 & 31, cv = cc[i] & 31;
        u32 maxl = (lane & seg) | (cv & ~seg), minl = lane & seg;
        i32 j;
        bool ok;
        switch (I.sub) {
            case 0:
                j = i32(lane) - i32(bv);
                ok = j >= i32(maxl);
                break;
            case 1:
                j = i32(lane + bv);
                ok = j <= i32(maxl);
                break;
            case 2:
                j = i32(lane ^ bv);
                ok = j <= i32(maxl);
                break;
            default:
                j = i32(minl | (bv & ~seg));
                ok = j <= i32(maxl);
                break;
        }
        if (!ok) j = i;
        // Reading a lane that does not take part is undefined; give it a poison value.
        t[i] = (c.mask >> j & 1) ? a[j] : 0xffffffffu;
        p |= u32(ok) << i;
    });
    for_lanes(c.mask, [&](int i) { d[i] = t[i]; });
    set_pred(c, I.o[1], p);
}

// sub: 0 all, 1 any, 2 uni, 3 ballot
void exec_vote(Ctx& c, const Inst& I) {
    u32 p = pred(c, I.o[1]) & c.mask;
    u32 r = 0;
    u32* d = I.sub == 3 ? slot<u32>(c, I.o[0]) : nullptr;
    for_lanes(c.mask, [&](int i) {
        u32 m = members(c, I, i);
        u32 v = p & m;
        if (I.sub == 3)
            d[i] = v;
        else {
            bool b = I.sub == 0 ? v == m : I.sub == 1 ? v != 0 : (v == m || v == 0);
            r |= u32(b) << i;
        }
    });
    if (I.sub != 3) set_pred(c, I.o[0], r);
}

template <class T>
void exec_match(Ctx& c, const Inst& I) {  // sub 0 any, 1 all
    u32* d = slot<u32>(c, I.o[0]);
    const T* a = slot<T>(c, I.o[2]);
    u32 t[kWarp], pr = 0;
    for_lanes(c.mask, [&](int i) {
        u32 m = members(c, I, i), e = 0;
        for_lanes(m, [&](int j) {
            if (a[j] == a[i]) e |= 1u << j;
        });
        if (I.sub) {
            bool all = e == m;
            t[i] = all ? m : 0;
            pr |= u32(all) << i;
        } else
            t[i] = e;
    });
    for_lanes(c.mask, [&](int i) { d[i] = t[i]; });
    if (I.sub) set_pred(c, I.o[1], pr);
}

// sub: 0 add 1 min 2 max 3 and 4 or 5 xor; flags: 1 signed, 2 f32
void exec_redux(Ctx& c, const Inst& I) {
    u32* d = slot<u32>(c, I.o[0]);
    const u32* a = slot<u32>(c, I.o[1]);
    u32 t[kWarp];
    for_lanes(c.mask, [&](int i) {
        u32 m = members(c, I, i);
        bool first = true;
        u32 r = 0;
        for_lanes(m, [&](int j) {
            u32 v = a[j];
            if (first) {
                r = v;
                first = false;
                return;
            }
            if (I.flags & 2) {
                float x = std::bit_cast<float>(r), y = std::bit_cast<float>(v);
                r = std::bit_cast<u32>(I.sub == 1 ? (x != x   ? y
                                                     : y != y ? x
                                                              : std::min(x, y))
                                                  : (x != x   ? y
                                                     : y != y ? x
                                                              : std::max(x, y)));
                return;
            }
            switch (I.sub) {
                case 0: r += v; break;
                case 1: r = (I.flags & 1) ? u32(std::min(i32(r), i32(v))) : std::min(r, v); break;
                case 2: r = (I.flags & 1) ? u32(std::max(i32(r), i32(v))) : std::max(r, v); break;
                case 3: r &= v; break;
                case 4: r |= v; break;
                default: r ^= v; break;
            }
        });
        t[i] = r;
    });
    for_lanes(c.mask, [&](int i) { d[i] = t[i]; });
}

void exec_activemask(Ctx& c, const Inst& I) {
    u32* d = slot<u32>(c, I.o[0]);
    for_lanes(c.mask, [&](int i) { d[i] = c.mask; });
}
void exec_elect(Ctx& c, const Inst& I) {
    u32 r = 0;
    for_lanes(c.mask, [&](int i) {
        u32 m = members(c, I, i), leader = u32(std::countr_zero(m));
        if (I.o[0] != kNoSlot) slot<u32>(c, I.o[0])[i] = leader;
        r |= u32(leader == u32(i)) << i;
    });
    set_pred(c, I.o[1], r);
}

// ldmatrix: lanes 8j..8j+7 address the rows of matrix j. sub bit0: transpose.
void exec_ldmatrix(Ctx& c, const Inst& I) {
    u64 a[kWarp];
    lane_addresses(c, I, 5, a);
    u32 n = I.nv;
    u16 m[4][8][8];
    for (u32 j = 0; j < n; j++) {
        u32 so[kWarp];
        u32 rows = 0;
        for (u32 r = 0; r < 8; r++) {
            int lane = int(8 * j + r);
            u64 ad = a[lane];
            u32 off = ad - kSharedWindow < kSharedWindowSize ? u32(ad - kSharedWindow) : u32(ad);
            if (off & 15) misaligned(c, lane, off, 16, "ldmatrix shared");
            const u8* p = off >= kSharedStart && off + 16 <= c.block->smem_size
                              ? c.block->smem + off
                              : shared_ptr(c, lane, off, 16);
            memcpy(m[j][r], p, 16);
            if (c.check) race_access(c, lane, off, 16, false, false, false);
            so[r] = off;
            rows |= 1u << r;
        }
        if (c.stats) stats_shared_access(c.worker->st, so, rows, 16);
    }
    for (u32 j = 0; j < n; j++) {
        u32* d = slot<u32>(c, I.o[j]);
        if (!I.sub && c.mask == kFull) {  // row r of the matrix goes to lanes 4r..4r+3
            memcpy(d, m[j], 128);
            continue;
        }
        for (int i = 0; i < kWarp; i++) {
            int r = i >> 2, k = (i & 3) * 2;
            u32 lo, hi;
            if (I.sub)
                lo = m[j][k][r], hi = m[j][k + 1][r];
            else
                lo = m[j][r][k], hi = m[j][r][k + 1];
            if (c.mask >> i & 1) d[i] = lo | hi << 16;
        }
    }
}

void exec_stmatrix(Ctx& c, const Inst& I) {
    u64 a[kWarp];
    lane_addresses(c, I, 5, a);
    for (u32 j = 0; j < I.nv; j++) {
        const u32* s = slot<u32>(c, I.o[j]);
        u16 m[8][8];
        for (int i = 0; i < kWarp; i++) {
            int r = i >> 2, k = (i & 3) * 2;
            u16 lo = u16(s[i]), hi = u16(s[i] >> 16);
            if (I.sub)
                m[k][r] = lo, m[k + 1][r] = hi;
            else
                m[r][k] = lo, m[r][k + 1] = hi;
        }
        u32 so[kWarp];
        for (u32 r = 0; r < 8; r++) {
            int lane = int(8 * j + r);
            u32 off = a[lane] - kSharedWindow < kSharedWindowSize ? u32(a[lane] - kSharedWindow)
                                                                  : u32(a[lane]);
            if (off & 15) misaligned(c, lane, off, 16, "stmatrix shared");
            u8* p = shared_ptr(c, lane, off, 16);
            if (c.check) race_access(c, lane, off, 16, true, false, memcmp(p, m[r], 16) == 0);
            memcpy(p, m[r], 16);
            so[r] = off;
        }
        if (c.stats) stats_shared_access(c.worker->st, so, 0xff, 16);
    }
}

void exec_movmatrix(Ctx& c, const Inst& I) {
    u32* d = slot<u32>(c, I.o[0]);
    const u32* s = slot<u32>(c, I.o[1]);
    u16 m[8][8];
    for (int i = 0; i < kWarp; i++)
        m[i >> 2][(i & 3) * 2] = u16(s[i]), m[i >> 2][(i & 3) * 2 + 1] = u16(s[i] >> 16);
    for (int i = 0; i < kWarp; i++)
        d[i] = m[(i & 3) * 2][i >> 2] | u32(m[(i & 3) * 2 + 1][i >> 2]) << 16;
}

}  // namespace

bool decode_warp(Decoder& d, const ptx::Instr& in, Inst& I) {
    const std::string& op = in.parts[0];
    bool sync = in.has("sync");
    auto member = [&](const Operand& o) {
        I.kind = Kind::Sync;
        I.member = d.src_w(o, 4);
    };
    if (op == "shfl" && sync) {
        I.fn = exec_shfl;
        I.sub = in.has("up") ? 0 : in.has("down") ? 1 : in.has("bfly") ? 2 : 3;
        if (in.ops[0].kind == Operand::List) {
            I.o[0] = d.dst(in.ops[0].elems[0]);
            I.o[1] = d.pred_dst(in.ops[0].elems[1]);
        } else {
            I.o[0] = d.dst(in.ops[0]);
        }
        I.o[2] = d.src_w(in.ops[1], 4);
        I.o[3] = d.src_w(in.ops[2], 4);
        I.o[4] = d.src_w(in.ops[3], 4);
        member(in.ops[4]);
        return true;
    }
    if (op == "vote" && sync) {
        I.fn = exec_vote;
        I.sub = in.has("all") ? 0 : in.has("any") ? 1 : in.has("uni") ? 2 : 3;
        I.o[0] = I.sub == 3 ? d.dst(in.ops[0]) : d.pred_dst(in.ops[0]);
        I.o[1] = d.pred_src(in.ops[1]);
        member(in.ops[2]);
        return true;
    }
    if (op == "match" && sync) {
        bool w = in.parts.back() == "b64";
        I.fn = w ? (ExecFn)exec_match<u64> : (ExecFn)exec_match<u32>;
        I.sub = in.has("all");
        if (in.ops[0].kind == Operand::List) {
            I.o[0] = d.dst(in.ops[0].elems[0]);
            I.o[1] = d.pred_dst(in.ops[0].elems[1]);
        } else {
            I.o[0] = d.dst(in.ops[0]);
        }
        I.o[2] = d.src_w(in.ops[1], w ? 8 : 4);
        member(in.ops[2]);
        return true;
    }
    if (op == "redux" && sync) {
        static const char* k[] = {"add", "min", "max", "and", "or", "xor"};
        for (int i = 0; i < 6; i++)
            if (in.has(k[i])) I.sub = u8(i);
        if (in.has("abs") || in.has("NaN")) return false;
        I.flags = u16((in.parts.back() == "s32" ? 1 : 0) | (in.parts.back() == "f32" ? 2 : 0));
        I.fn = exec_redux;
        I.o[0] = d.dst(in.ops[0]);
        I.o[1] = d.src_w(in.ops[1], 4);
        member(in.ops[2]);
        return true;
    }
    if (op == "activemask") {
        I.fn = exec_activemask;
        I.o[0] = d.dst(in.ops[0]);
        return true;
    }
    if (op == "elect") {
        I.fn = exec_elect;
        I.o[0] = in.ops[0].elems[0].kind == Operand::Sink ? kNoSlot : d.dst(in.ops[0].elems[0]);
        I.o[1] = d.pred_dst(in.ops[0].elems[1]);
        member(in.ops[1]);
        return true;
    }
    if (op == "ldmatrix" || op == "stmatrix") {
        if (!in.has("m8n8") || !in.has("b16")) return false;
        bool ld = op == "ldmatrix";
        I.kind = Kind::Sync;
        I.cls = ld ? Cls::LdShared : Cls::StShared;
        I.nv = in.has("x4") ? 4 : in.has("x2") ? 2 : 1;
        I.sub = in.has("trans");
        I.fn = ld ? exec_ldmatrix : exec_stmatrix;
        const Operand& v = in.ops[ld ? 0 : 1];
        for (int k = 0; k < I.nv; k++) {
            const Operand& o = v.kind == Operand::Vec ? v.elems[size_t(k)] : v;
            I.o[k] = ld ? d.dst(o) : d.src_w(o, 4);
        }
        d.address(in.ops[ld ? 1 : 0], I, 5);
        return true;
    }
    if (op == "movmatrix") {
        I.kind = Kind::Sync;
        I.fn = exec_movmatrix;
        I.o[0] = d.dst(in.ops[0]);
        I.o[1] = d.src_w(in.ops[1], 4);
        return true;
    }
    return false;
}

}  // namespace emu
