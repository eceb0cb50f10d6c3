// setp, set and testp for all types.
#include "tests/cudaemu/isa/alu.h"
#include "tests/cudaemu/isa/fp.h"

namespace fovea::cudaemu {

using ptx::Operand;
using ptx::Type;

namespace {

// ---- relations ----------------------------------------------------------------------------------

enum Relation {
    kEq,
    kNe,
    kLt,
    kLe,
    kGt,
    kGe,
    kEqu,
    kNeu,
    kLtu,
    kLeu,
    kGtu,
    kGeu,
    kNum,
    kNan,
    kNone
};
// Index: Relation. The unordered ones (equ, ...) also hold if an operand is NaN.
const char* const kNames[] = {"eq",  "ne",  "lt",  "le",  "gt",  "ge",  "equ",
                              "neu", "ltu", "leu", "gtu", "geu", "num", "nan"};

Relation relation(const std::string& name) {
    static const std::pair<const char*, Relation> kUnsigned[] = {
        {"lo", kLt}, {"ls", kLe}, {"hi", kGt}, {"hs", kGe}};
    for (auto& [n, r] : kUnsigned)
        if (name == n) return r;
    for (int r = 0; r < kNone; r++)
        if (name == kNames[r]) return Relation(r);
    return kNone;
}

template <class T>
bool holds(Relation r, T a, T b) {
    bool unordered = false;
    if constexpr (std::is_floating_point_v<T>) unordered = std::isnan(a) || std::isnan(b);
    switch (r) {
        case kEq: return a == b;
        case kNe: return !unordered && a != b;
        case kLt: return a < b;
        case kLe: return a <= b;
        case kGt: return a > b;
        case kGe: return a >= b;
        case kEqu: return unordered || a == b;
        case kNeu: return unordered || a != b;
        case kLtu: return unordered || a < b;
        case kLeu: return unordered || a <= b;
        case kGtu: return unordered || a > b;
        case kGeu: return unordered || a >= b;
        case kNum: return !unordered;
        default: return unordered;
    }
}

// ---- one number a lane --------------------------------------------------------------------------

enum Combine : u8 { kPlain, kAnd, kOr, kXor };  // sub: with the predicate o[4]
u32 combined(Context& c, const Instruction& I, u32 r) {
    switch (I.sub) {
        case kAnd: return r & pred(c, I.o[4]);
        case kOr: return r | pred(c, I.o[4]);
        case kXor: return r ^ pred(c, I.o[4]);
        default: return r;
    }
}

template <class T>
struct Plain {
    using Lane = T;
    using Value = T;
    static T value(T a) { return a; }
};
struct Flushed {  // f32 with denormals as zero
    using Lane = float;
    using Value = float;
    static float value(float a) { return ftz(a); }
};
struct FromF16 {
    using Lane = f16;
    using Value = float;
    static float value(f16 a) { return f16_to_f32(a.v); }
};
struct FromBF16 {
    using Lane = bf16;
    using Value = float;
    static float value(bf16 a) { return bf16_to_f32(a.v); }
};

template <class Source, Relation r>
u32 lanes_that_hold(Context& c, const Instruction& I) {
    using L = typename Source::Lane;
    const auto *a = slot<lane_t<L>>(c, I.o[2]), *b = slot<lane_t<L>>(c, I.o[3]);
    alignas(64) u32 bit[kWarp];
#pragma GCC ivdep
    for (int i = 0; i < kWarp; i++)
        bit[i] = holds<typename Source::Value>(r, Source::value(get<L>(a[i])),
                                               Source::value(get<L>(b[i])))
                     ? 1u << i
                     : 0u;
    u32 all = 0;
    for (int i = 0; i < kWarp; i++) all |= bit[i];
    return all;
}

// o[0] the result, o[1] its complement.
template <class Source, Relation r>
void exec_setp(Context& c, const Instruction& I) {
    const u32 lanes = lanes_that_hold<Source, r>(c, I);
    const u32 yes = combined(c, I, lanes), no = combined(c, I, ~lanes);
    set_pred(c, I.o[0], yes);
    set_pred(c, I.o[1], no);
}

// o[0] = imm where it holds, else 0.
template <class Source, Relation r>
void exec_set(Context& c, const Instruction& I) {
    const u32 lanes = combined(c, I, lanes_that_hold<Source, r>(c, I));
    u32* d = slot<u32>(c, I.o[0]);
    for_lanes(c.mask, [&](int i) { d[i] = lanes >> i & 1 ? u32(I.imm) : 0; });
}

template <class Source, int r = 0>
ExecFn function(Relation wanted, bool set) {
    if constexpr (r < kNone) {
        if (wanted == r)
            return set ? exec_set<Source, Relation(r)> : exec_setp<Source, Relation(r)>;
        return function<Source, r + 1>(wanted, set);
    } else {
        return nullptr;
    }
}

ExecFn function(Type t, Relation r, bool set, bool flush) {
    switch (t) {
        case Type::F32: return flush ? function<Flushed>(r, set) : function<Plain<float>>(r, set);
        case Type::F64: return function<Plain<double>>(r, set);
        case Type::F16: return function<FromF16>(r, set);
        case Type::BF16: return function<FromBF16>(r, set);
        default: break;
    }
    if (r > kGe || ptx::type_size(t) < 2) return nullptr;
    return for_integer(t, [&]<class T>(std::type_identity<T>) -> ExecFn {
        if constexpr (sizeof(T) == 1)
            return nullptr;
        else
            return function<Plain<T>>(r, set);
    });
}

// ---- two 16-bit numbers a lane: sub2 is the relation --------------------------------------------

template <class H>
bool half_holds(const Instruction& I, u32 a, u32 b, int half) {
    return holds(Relation(I.sub2), H::to(u16(a >> (16 * half))), H::to(u16(b >> (16 * half))));
}

template <class H>
void exec_set_x2(Context& c, const Instruction& I) {
    const u32 *a = slot<u32>(c, I.o[2]), *b = slot<u32>(c, I.o[3]);
    u32* d = slot<u32>(c, I.o[0]);
    for_lanes(c.mask, [&](int i) {
        u32 r = 0;
        for (int half = 0; half < 2; half++)
            if (half_holds<H>(I, a[i], b[i], half)) r |= u32(I.imm) << (16 * half);
        d[i] = r;
    });
}

// o[0] the lower half, o[1] the upper one.
template <class H>
void exec_setp_x2(Context& c, const Instruction& I) {
    const u32 *a = slot<u32>(c, I.o[2]), *b = slot<u32>(c, I.o[3]);
    u32 lanes[2] = {0, 0};
    for (int i = 0; i < kWarp; i++)
        for (int half = 0; half < 2; half++)
            lanes[half] |= u32(half_holds<H>(I, a[i], b[i], half)) << i;
    const u32 low = combined(c, I, lanes[0]), high = combined(c, I, lanes[1]);
    set_pred(c, I.o[0], low);
    set_pred(c, I.o[1], high);
}

// ---- testp --------------------------------------------------------------------------------------

const char* const kTests[] = {"finite", "infinite", "number", "notanumber", "normal", "subnormal"};

template <class T>
bool passes(u8 test, T a) {
    switch (test) {
        case 0: return std::isfinite(a);
        case 1: return std::isinf(a);
        case 2: return !std::isnan(a);
        case 3: return std::isnan(a);
        case 4: return std::isnormal(a) || a == 0;
        default: return std::fpclassify(a) == FP_SUBNORMAL;
    }
}

template <class T>
void exec_testp(Context& c, const Instruction& I) {
    const T* a = slot<T>(c, I.o[1]);
    u32 lanes = 0;
    for (int i = 0; i < kWarp; i++) lanes |= u32(passes(I.sub, a[i])) << i;
    set_pred(c, I.o[0], lanes);
}

bool decode_testp(Decoder& d, const ptx::Instr& in, Instruction& I, Type t) {
    for (u8 k = 0; k < 6; k++)
        if (in.parts[1] == kTests[k]) I.sub = k;
    I.fn = t == Type::F64 ? exec_testp<double> : exec_testp<float>;
    I.o[0] = d.pred_dst(in.ops[0]);
    I.o[1] = d.src(in.ops[1], t);
    return true;
}

// What set writes where the relation holds: 1.0 or all ones, as wide as the destination's type.
i64 truth(const ptx::Instr& in, bool two) {
    const Type t = ptx::parse_type(in.parts[in.parts.size() - 2]);
    switch (t) {
        case Type::F32: return 0x3f800000;
        case Type::F16:
        case Type::F16x2: return HalfF16::kOne;
        case Type::BF16:
        case Type::BF16x2: return HalfBF16::kOne;
        default: return two || ptx::type_size(t) == 2 ? 0xffff : 0xffffffff;
    }
}

}  // namespace

bool decode_compare(Decoder& d, const ptx::Instr& in, Instruction& I) {
    const std::string& op = in.parts[0];
    const Type t = ptx::parse_type(in.parts.back());
    if (op == "testp") return decode_testp(d, in, I, t);
    const bool set = op == "set";
    if (op != "setp" && !set) return false;

    const Relation r = relation(in.parts[1]);
    const bool two = t == Type::F16x2 || t == Type::BF16x2, bf16 = t == Type::BF16x2;
    if (r == kNone) return false;
    if (two) {
        I.sub2 = u8(r);
        I.fn = set ? (bf16 ? exec_set_x2<HalfBF16> : exec_set_x2<HalfF16>)
                   : (bf16 ? exec_setp_x2<HalfBF16> : exec_setp_x2<HalfF16>);
        if (set && in.ops.size() > 3) return false;
    } else {
        I.fn = function(t, r, set, in.has("ftz"));
    }
    if (!I.fn) return false;

    const Operand& result = in.ops[0];
    if (set) {
        I.o[0] = d.dst(result);
        I.imm = truth(in, two);
    } else if (result.kind == Operand::List) {
        I.o[0] = d.pred_dst(result.elems[0]);
        I.o[1] = d.pred_dst(result.elems[1]);
    } else {
        I.o[0] = d.pred_dst(result);
    }
    I.o[2] = d.src(in.ops[1], t);
    I.o[3] = d.src(in.ops[2], t);
    if (in.ops.size() > 3) {
        I.o[4] = d.pred_src(in.ops[3]);
        I.sub = in.has("and") ? kAnd : in.has("or") ? kOr : kXor;
    }
    return true;
}

}  // namespace fovea::cudaemu
