// What the lanes of a warp tell each other: shfl, vote, match, redux, elect, activemask.
#include "tests/cudaemu/decode/decoder.h"
#include "tests/cudaemu/isa/minmax.h"
#include "tests/cudaemu/machine/lanes.h"

namespace fovea::cudaemu {

using ptx::Operand;

namespace {

// The lanes that take part, as lane i named them.
u32 members(Context& c, const Instruction& I, int i) {
    return I.member == kNoSlot ? c.mask : slot<u32>(c, I.member)[i] & c.mask;
}

template <class T>
void store(Context& c, T* d, const T* t) {
    for_lanes(c.mask, [&](int i) { d[i] = t[i]; });
}

// ---- shfl ---------------------------------------------------------------------------------------

enum ShflMode : u8 { kUp, kDown, kBfly, kIdx };

// o[0] the value, o[1] whether the source was in range, o[2] what is sent, o[3] the distance or
// lane, o[4] the clamp and, from bit 8, the segment mask. sub: ShflMode.
void exec_shfl(Context& c, const Instruction& I) {
    const u32 *a = slot<u32>(c, I.o[2]), *distance = slot<u32>(c, I.o[3]);
    const u32* clamp = slot<u32>(c, I.o[4]);
    u32 t[kWarp], in_range = 0;
    for_lanes(c.mask, [&](int i) {
        const int by = int(distance[i] & 31);
        const u32 segment = clamp[i] >> 8 & 31, limit = clamp[i] & 31;
        const int last = int((u32(i) & segment) | (limit & ~segment));
        int from;
        switch (I.sub) {
            case kUp: from = i - by; break;
            case kDown: from = i + by; break;
            case kBfly: from = i ^ by; break;
            default: from = int((u32(i) & segment) | (u32(by) & ~segment)); break;
        }
        const bool ok = I.sub == kUp ? from >= last : from <= last;
        if (!ok) from = i;
        in_range |= u32(ok) << i;
        // Reading from a lane that does not take part is undefined.
        t[i] = (c.mask >> from & 1) ? a[from] : 0xffffffffu;
    });
    store(c, slot<u32>(c, I.o[0]), t);
    set_pred(c, I.o[1], in_range);
}

// ---- vote, match, redux -------------------------------------------------------------------------

enum VoteMode : u8 { kAll, kAny, kUni, kBallot };

void exec_vote(Context& c, const Instruction& I) {
    const u32 votes = pred(c, I.o[1]) & c.mask;
    u32 t[kWarp], r = 0;
    for_lanes(c.mask, [&](int i) {
        const u32 all = members(c, I, i), yes = votes & all;
        const bool holds = I.sub == kAll   ? yes == all
                           : I.sub == kAny ? yes != 0
                                           : yes == all || yes == 0;
        t[i] = yes;
        r |= u32(holds) << i;
    });
    if (I.sub == kBallot)
        store(c, slot<u32>(c, I.o[0]), t);
    else
        set_pred(c, I.o[0], r);
}

// sub: all must match, else the result is 0. o[0] the mask, o[1] whether all match, o[2] the value.
template <class T>
void exec_match(Context& c, const Instruction& I) {
    const T* a = slot<T>(c, I.o[2]);
    u32 t[kWarp], all_match = 0;
    for_lanes(c.mask, [&](int i) {
        const u32 all = members(c, I, i);
        u32 equal = 0;
        for_lanes(all, [&](int j) { equal |= u32(a[j] == a[i]) << j; });
        t[i] = I.sub && equal != all ? 0 : equal;
        all_match |= u32(equal == all) << i;
    });
    store(c, slot<u32>(c, I.o[0]), t);
    if (I.sub) set_pred(c, I.o[1], all_match);
}

enum ReduxOp : u8 { kAdd, kMin, kMax, kAnd, kOr, kXor };
const char* const kReduxNames[] = {"add", "min", "max", "and", "or", "xor"};

template <class T>
T reduced(u8 op, T a, T b) {
    if constexpr (std::is_floating_point_v<T>) {
        return op == kMin ? min_number(a, b) : max_number(a, b);
    } else {
        switch (op) {
            case kAdd: return T(u32(a) + u32(b));
            case kMin: return std::min(a, b);
            case kMax: return std::max(a, b);
            case kAnd: return a & b;
            case kOr: return a | b;
            default: return a ^ b;
        }
    }
}

template <class T>
void exec_redux(Context& c, const Instruction& I) {
    const T* a = slot<T>(c, I.o[1]);
    T t[kWarp];
    for_lanes(c.mask, [&](int i) {
        u32 rest = members(c, I, i);
        T r = a[std::countr_zero(rest)];
        rest &= rest - 1;
        for_lanes(rest, [&](int j) { r = reduced(I.sub, r, a[j]); });
        t[i] = r;
    });
    store(c, slot<T>(c, I.o[0]), t);
}

// ---- elect, activemask --------------------------------------------------------------------------

void exec_activemask(Context& c, const Instruction& I) {
    u32* d = slot<u32>(c, I.o[0]);
    for_lanes(c.mask, [&](int i) { d[i] = c.mask; });
}

// o[0] the elected lane, o[1] whether it is this one.
void exec_elect(Context& c, const Instruction& I) {
    u32 t[kWarp], elected = 0;
    for_lanes(c.mask, [&](int i) {
        t[i] = u32(std::countr_zero(members(c, I, i)));
        elected |= u32(t[i] == u32(i)) << i;
    });
    if (I.o[0] != kNoSlot) store(c, slot<u32>(c, I.o[0]), t);
    set_pred(c, I.o[1], elected);
}

// "d|p" or "d"
void set_results(Decoder& d, const Operand& o, Instruction& I) {
    if (o.kind != Operand::List) {
        I.o[0] = d.dst(o);
        return;
    }
    I.o[0] = o.elems[0].kind == Operand::Sink ? d.scratch(4) : d.dst(o.elems[0]);
    I.o[1] = d.pred_dst(o.elems[1]);
}

}  // namespace

bool decode_warp(Decoder& d, const ptx::Instr& in, Instruction& I) {
    const std::string& op = in.parts[0];
    const std::string& type = in.parts.back();
    const bool sync = in.has("sync");
    if (op == "activemask") {
        I.fn = exec_activemask;
        I.o[0] = d.dst(in.ops[0]);
        return true;
    }
    if (op == "shfl" && sync) {
        I.fn = exec_shfl;
        I.sub = in.has("up") ? kUp : in.has("down") ? kDown : in.has("bfly") ? kBfly : kIdx;
        set_results(d, in.ops[0], I);
        for (size_t k = 1; k <= 3; k++) I.o[k + 1] = d.src_w(in.ops[k], 4);
    } else if (op == "vote" && sync) {
        I.fn = exec_vote;
        I.sub = in.has("all") ? kAll : in.has("any") ? kAny : in.has("uni") ? kUni : kBallot;
        I.o[0] = I.sub == kBallot ? d.dst(in.ops[0]) : d.pred_dst(in.ops[0]);
        I.o[1] = d.pred_src(in.ops[1]);
    } else if (op == "match" && sync) {
        const bool wide = type == "b64";
        I.fn = wide ? exec_match<u64> : exec_match<u32>;
        I.sub = in.has("all");
        set_results(d, in.ops[0], I);
        I.o[2] = d.src_w(in.ops[1], wide ? 8 : 4);
    } else if (op == "redux" && sync) {
        if (in.has("abs") || in.has("NaN")) return false;
        for (u8 k = 0; k < 6; k++)
            if (in.has(kReduxNames[k])) I.sub = k;
        I.fn = type == "f32"   ? exec_redux<float>
               : type == "s32" ? exec_redux<i32>
                               : exec_redux<u32>;
        I.o[0] = d.dst(in.ops[0]);
        I.o[1] = d.src_w(in.ops[1], 4);
    } else if (op == "elect") {
        I.fn = exec_elect;
        set_results(d, in.ops[0], I);
    } else {
        return false;
    }
    I.kind = Kind::Sync;
    I.member = d.src_w(in.ops.back(), 4);
    return true;
}

}  // namespace fovea::cudaemu
