// cvt in all its forms, szext.
#include <algorithm>
#include <cfenv>
#include <cmath>
#include <limits>

#include "tests/cudaemu/isa/alu.h"
#include "tests/cudaemu/isa/fp.h"

namespace emu {

using ptx::Operand;
using ptx::Ty;

namespace {

// Inst::flags for conversions
enum : u16 { cSat = 1, cFtz = 2, cRelu = 4, cSatFinite = 8 };

// ---- integer to integer -----------------------------------------------------------------------
template <class D, class S>
void exec_ii(Ctx& c, const Inst& I) {
    using L = lane_t<D>;
    L* d = slot<L>(c, I.o[0]);
    const auto* a = slot<lane_t<S>>(c, I.o[1]);
    alignas(64) L t[kWarp];
    using W = std::conditional_t<std::is_signed_v<D>, std::make_signed_t<L>,
                                 L>;  // extend to the register
    if (I.flags & cSat) {
        for (int i = 0; i < kWarp; i++) {
            i128 v = i128(S(a[i]));
            v = std::clamp<i128>(v, std::numeric_limits<D>::min(), std::numeric_limits<D>::max());
            t[i] = L(W(D(v)));
        }
    } else {
#pragma GCC ivdep
        for (int i = 0; i < kWarp; i++) t[i] = L(W(D(S(a[i]))));
    }
    store_masked(d, t, c.mask);
}

// ---- loads of any float source as double --------------------------------------------------------
template <class S>
struct FloatSrc;
template <>
struct FloatSrc<float> {
    static double get(u32 v) { return bitsf(v); }
};
template <>
struct FloatSrc<double> {
    static double get(u64 v) { return bitsd(v); }
};
template <>
struct FloatSrc<f16> {
    static double get(u32 v) { return f16_to_f32(u16(v)); }
};
template <>
struct FloatSrc<bf16> {
    static double get(u32 v) { return bf16_to_f32(u16(v)); }
};

double round_int(double x, Rnd r) {
    switch (r) {
        case Rnd::RNI:
        case Rnd::RN: return std::nearbyint(x);
        case Rnd::RMI:
        case Rnd::RM: return std::floor(x);
        case Rnd::RPI:
        case Rnd::RP: return std::ceil(x);
        default: return std::trunc(x);
    }
}

// ---- float to integer (always saturating) ------------------------------------------------------
template <class D, class S>
void exec_fi(Ctx& c, const Inst& I) {
    using L = lane_t<D>;
    L* d = slot<L>(c, I.o[0]);
    const auto* a = slot<lane_t<S>>(c, I.o[1]);
    using W = std::conditional_t<std::is_signed_v<D>, std::make_signed_t<L>, L>;
    for_lanes(c.mask, [&](int i) {
        double x = FloatSrc<S>::get(a[i]);
        D r;
        if (std::isnan(x)) {
            r = sizeof(D) == 8 || std::is_same_v<S, double> ? D(u64(1) << (8 * sizeof(D) - 1))
                                                            : D(0);
        } else {
            if (I.flags & cFtz) x = std::fabs(x) < 1.1754943508222875e-38 ? 0 : x;
            x = round_int(x, Rnd(I.sub));
            const double lo = double(std::numeric_limits<D>::min());
            const double hi = std::ldexp(1.0, int(8 * sizeof(D)) - std::is_signed_v<D>);
            r = x <= lo   ? std::numeric_limits<D>::min()
                : x >= hi ? std::numeric_limits<D>::max()
                          : D(x);
        }
        d[i] = L(W(r));
    });
}

// ---- integer to float --------------------------------------------------------------------------
template <class S>
void exec_if32(Ctx& c, const Inst& I) {
    u32* d = slot<u32>(c, I.o[0]);
    const auto* a = slot<lane_t<S>>(c, I.o[1]);
    Rnd r = Rnd(I.sub);
    if (r == Rnd::RN || r == Rnd::None) {
        alignas(64) u32 t[kWarp];
        for (int i = 0; i < kWarp; i++) t[i] = fbits(float(S(a[i])));
        store_masked(d, t, c.mask);
        return;
    }
    int old = fegetround();
    fesetround(r == Rnd::RZ ? FE_TOWARDZERO : r == Rnd::RM ? FE_DOWNWARD : FE_UPWARD);
    for_lanes(c.mask, [&](int i) {
        volatile S v = S(a[i]);
        volatile float f = float(v);
        d[i] = fbits(f);
    });
    fesetround(old);
}
template <class S>
void exec_if64(Ctx& c, const Inst& I) {
    u64* d = slot<u64>(c, I.o[0]);
    const auto* a = slot<lane_t<S>>(c, I.o[1]);
    Rnd r = Rnd(I.sub);
    int old = fegetround();
    if (r == Rnd::RZ || r == Rnd::RM || r == Rnd::RP)
        fesetround(r == Rnd::RZ ? FE_TOWARDZERO : r == Rnd::RM ? FE_DOWNWARD : FE_UPWARD);
    for_lanes(c.mask, [&](int i) {
        volatile S v = S(a[i]);
        volatile double f = double(v);
        d[i] = dbits(f);
    });
    fesetround(old);
}
template <class S, bool BF>
void exec_ih(Ctx& c, const Inst& I) {
    u32* d = slot<u32>(c, I.o[0]);
    const auto* a = slot<lane_t<S>>(c, I.o[1]);
    for_lanes(c.mask, [&](int i) {
        d[i] =
            BF ? f64_to_bf16(double(S(a[i])), Rnd(I.sub)) : f64_to_f16(double(S(a[i])), Rnd(I.sub));
    });
}

// ---- float to float ----------------------------------------------------------------------------
enum class FD : u8 { F32, F64, F16, BF16, TF32 };

u32 to_f32(double x, Rnd r) {
    if (r == Rnd::RN || r == Rnd::None || std::isnan(x) || std::isinf(x)) return fbits(float(x));
    float f = float(x);  // nearest; then step if it went the wrong way
    bool up = double(f) > x, down = double(f) < x;
    if ((r == Rnd::RM && up) || (r == Rnd::RZ && ((x > 0 && up))))
        f = std::nextafter(f, -INFINITY);
    else if ((r == Rnd::RP && down) || (r == Rnd::RZ && (x < 0 && down)))
        f = std::nextafter(f, INFINITY);
    return fbits(f);
}

template <class S, FD D>
void exec_ff(Ctx& c, const Inst& I) {
    using L = std::conditional_t<D == FD::F64, u64, u32>;
    L* d = slot<L>(c, I.o[0]);
    const auto* a = slot<lane_t<S>>(c, I.o[1]);
    Rnd r = Rnd(I.sub);
    if constexpr (D == FD::F32 && !std::is_same_v<S, double>) {  // the common widening cases
        if (!I.flags && r == Rnd::None) {
            for_lanes(c.mask, [&](int i) { d[i] = fbits(float(FloatSrc<S>::get(a[i]))); });
            return;
        }
    }
    for_lanes(c.mask, [&](int i) {
        double x = FloatSrc<S>::get(a[i]);
        if ((I.flags & cFtz) && std::is_same_v<S, float>) x = ftz(float(x));
        if (r >= Rnd::RNI) x = std::isfinite(x) ? std::copysign(round_int(x, r), x) : x;
        if (I.flags & cSat) x = x > 0 ? std::min(x, 1.0) : 0.0;
        if ((I.flags & cRelu) && !(x > 0) && !std::isnan(x)) x = 0;
        if constexpr (D == FD::F64)
            d[i] = dbits(x);
        else if constexpr (D == FD::F32) {
            u32 v = to_f32(x, r);
            d[i] = (I.flags & cFtz) ? fbits(ftz(bitsf(v))) : v;
        } else if constexpr (D == FD::F16) {
            if ((I.flags & cSatFinite) && std::isfinite(x))
                x = std::clamp(x, -65504.0, 65504.0);
            else if ((I.flags & cSatFinite) && std::isinf(x))
                x = std::copysign(65504.0, x);
            d[i] = f64_to_f16(x, r >= Rnd::RNI ? Rnd::RN : r);
        } else if constexpr (D == FD::BF16)
            d[i] = f64_to_bf16(x, r >= Rnd::RNI ? Rnd::RN : r);
        else
            d[i] = f32_to_tf32(float(x), r);
    });
}

// ---- packed ------------------------------------------------------------------------------------
template <bool BF>
void exec_pack_f32(Ctx& c, const Inst& I) {  // d = {hi: a, lo: b}
    u32* d = slot<u32>(c, I.o[0]);
    const float *a = slot<float>(c, I.o[1]), *b = slot<float>(c, I.o[2]);
    Rnd r = Rnd(I.sub);
    auto one = [&](float x) -> u32 {
        if ((I.flags & cRelu) && !(x > 0) && !std::isnan(x)) x = 0;
        if ((I.flags & cSatFinite) && !std::isnan(x))
            x = BF ? std::clamp(x, -3.3895314e38f, 3.3895314e38f)
                   : std::clamp(x, -65504.0f, 65504.0f);
        if (r == Rnd::RN)
            return BF ? f32_to_bf16_rn(x) : std::isnan(x) ? u16(0x7fff) : f32_to_f16_rn(x);
        return BF ? f64_to_bf16(x, r) : f64_to_f16(x, r);
    };
    for_lanes(c.mask, [&](int i) { d[i] = one(a[i]) << 16 | one(b[i]); });
}
template <bool E4>
void exec_fp8_f32(Ctx& c, const Inst& I) {
    u32* d = slot<u32>(c, I.o[0]);
    const float *a = slot<float>(c, I.o[1]), *b = slot<float>(c, I.o[2]);
    for_lanes(c.mask, [&](int i) {
        d[i] =
            u32(f32_to_fp8(a[i], E4, I.flags & cRelu)) << 8 | f32_to_fp8(b[i], E4, I.flags & cRelu);
    });
}
template <bool E4>
void exec_fp8_f16x2(Ctx& c, const Inst& I) {
    u32* d = slot<u32>(c, I.o[0]);
    const u32* a = slot<u32>(c, I.o[1]);
    for_lanes(c.mask, [&](int i) {
        u32 v = a[i];
        d[i] = u32(f32_to_fp8(f16_to_f32(u16(v >> 16)), E4, I.flags & cRelu)) << 8 |
               f32_to_fp8(f16_to_f32(u16(v)), E4, I.flags & cRelu);
    });
}
template <bool E4>
void exec_f16x2_fp8(Ctx& c, const Inst& I) {
    u32* d = slot<u32>(c, I.o[0]);
    const u32* a = slot<u32>(c, I.o[1]);
    auto up = [](u8 v) -> u32 {
        float f = E4 ? e4m3_to_f32(v) : e5m2_to_f32(v);
        return std::isnan(f) ? 0x7fff : f32_to_f16_rn(f);
    };
    for_lanes(c.mask, [&](int i) {
        u32 v = a[i];
        d[i] = up(u8(v >> 8)) << 16 | up(u8(v));
    });
}
// cvt.pack.sat.dtype.s32[.b32] d, a, b[, c]
template <class D>
void exec_cvt_pack(Ctx& c, const Inst& I) {
    u32* d = slot<u32>(c, I.o[0]);
    const i32 *a = slot<i32>(c, I.o[1]), *b = slot<i32>(c, I.o[2]);
    const u32* e = I.o[3] == kNoSlot ? nullptr : slot<u32>(c, I.o[3]);
    constexpr int n = 8 * sizeof(D);
    auto s = [](i32 v) {
        return u32(std::make_unsigned_t<D>(
            D(std::clamp<i32>(v, std::numeric_limits<D>::min(), std::numeric_limits<D>::max()))));
    };
    for_lanes(c.mask, [&](int i) {
        u32 r = s(a[i]) << n | s(b[i]);
        if (n == 8 && e) r |= e[i] << 16;
        d[i] = r;
    });
}

// ---- selection ---------------------------------------------------------------------------------
template <class D>
ExecFn ii_src(Ty s) {
    switch (s) {
        case Ty::U8:
        case Ty::B8: return exec_ii<D, u8>;
        case Ty::S8: return exec_ii<D, i8>;
        case Ty::U16:
        case Ty::B16: return exec_ii<D, u16>;
        case Ty::S16: return exec_ii<D, i16>;
        case Ty::U32:
        case Ty::B32: return exec_ii<D, u32>;
        case Ty::S32: return exec_ii<D, i32>;
        case Ty::U64:
        case Ty::B64: return exec_ii<D, u64>;
        case Ty::S64: return exec_ii<D, i64>;
        default: return nullptr;
    }
}
template <class D>
ExecFn fi_src(Ty s) {
    switch (s) {
        case Ty::F32: return exec_fi<D, float>;
        case Ty::F64: return exec_fi<D, double>;
        case Ty::F16: return exec_fi<D, f16>;
        case Ty::BF16: return exec_fi<D, bf16>;
        default: return nullptr;
    }
}
template <class D>
ExecFn to_int(Ty s) {
    return is_int_type(s) ? ii_src<D>(s) : fi_src<D>(s);
}
template <FD D>
ExecFn ff_src(Ty s) {
    switch (s) {
        case Ty::F32: return exec_ff<float, D>;
        case Ty::F64: return exec_ff<double, D>;
        case Ty::F16: return exec_ff<f16, D>;
        case Ty::BF16: return exec_ff<bf16, D>;
        default: return nullptr;
    }
}
#define INT_SRC(fn)                   \
    switch (s) {                      \
        case Ty::U8:                  \
        case Ty::B8: return fn(u8);   \
        case Ty::S8: return fn(i8);   \
        case Ty::U16:                 \
        case Ty::B16: return fn(u16); \
        case Ty::S16: return fn(i16); \
        case Ty::U32:                 \
        case Ty::B32: return fn(u32); \
        case Ty::S32: return fn(i32); \
        case Ty::U64:                 \
        case Ty::B64: return fn(u64); \
        case Ty::S64: return fn(i64); \
        default: return nullptr;      \
    }
#define IF32(T) exec_if32<T>
#define IF64(T) exec_if64<T>
#define IH16(T) (ExecFn) exec_ih<T, false>
#define IHBF(T) (ExecFn) exec_ih<T, true>
ExecFn from_int(Ty dt, Ty s) {
    switch (dt) {
        case Ty::F32: INT_SRC(IF32)
        case Ty::F64: INT_SRC(IF64)
        case Ty::F16: INT_SRC(IH16)
        case Ty::BF16: INT_SRC(IHBF)
        default: return nullptr;
    }
}

}  // namespace

bool decode_cvt(Decoder& d, const ptx::Instr& in, Inst& I) {
    if (in.parts[0] != "cvt") return false;
    std::vector<Ty> types;
    for (size_t i = 1; i < in.parts.size(); i++) {
        Ty t = ptx::parse_type(in.parts[i]);
        if (t != Ty::None) types.push_back(t);
    }
    if (types.size() < 2) return false;
    Ty dt = types[0], st = types[1];
    Rnd r = in.has("rn")    ? Rnd::RN
            : in.has("rz")  ? Rnd::RZ
            : in.has("rm")  ? Rnd::RM
            : in.has("rp")  ? Rnd::RP
            : in.has("rna") ? Rnd::RNA
            : in.has("rni") ? Rnd::RNI
            : in.has("rzi") ? Rnd::RZI
            : in.has("rmi") ? Rnd::RMI
            : in.has("rpi") ? Rnd::RPI
                            : Rnd::None;
    if (in.has("rs")) return false;
    I.sub = u8(r);
    I.flags = u16((in.has("sat") ? cSat : 0) | (in.has("ftz") ? cFtz : 0) |
                  (in.has("relu") ? cRelu : 0) | (in.has("satfinite") ? cSatFinite : 0));
    I.o[0] = d.dst(in.ops[0]);
    if (in.has("pack")) {
        I.o[1] = d.src_w(in.ops[1], 4);
        I.o[2] = d.src_w(in.ops[2], 4);
        if (in.ops.size() > 3) I.o[3] = d.src_w(in.ops[3], 4);
        switch (dt) {
            case Ty::U8: I.fn = exec_cvt_pack<u8>; return true;
            case Ty::S8: I.fn = exec_cvt_pack<i8>; return true;
            case Ty::U16: I.fn = exec_cvt_pack<u16>; return true;
            case Ty::S16: I.fn = exec_cvt_pack<i16>; return true;
            default: return false;
        }
    }
    if (in.ops.size() == 3) {
        if (st != Ty::F32) return false;
        I.o[1] = d.src(in.ops[1], st);
        I.o[2] = d.src(in.ops[2], st);
        if (dt == Ty::F16x2)
            I.fn = exec_pack_f32<false>;
        else if (dt == Ty::BF16x2)
            I.fn = exec_pack_f32<true>;
        else if (dt == Ty::E4M3x2)
            I.fn = exec_fp8_f32<true>;
        else if (dt == Ty::E5M2x2)
            I.fn = exec_fp8_f32<false>;
        else
            return false;
        return true;
    }
    bool wide = d.reg_width(in.ops[0]) == 8;
    if (in.ops[1].kind == Operand::Reg && ptx::type_size(st) <= 4 && d.reg_width(in.ops[1]) == 8) {
        Inst t;  // the source register is wider than the source type: truncate first
        t.fn = exec_ii<u32, u64>;
        t.src = d.current;
        t.o[0] = d.scratch(4);
        t.o[1] = d.reg_slot(in.ops[1].reg);
        d.emit(t);
        I.o[1] = t.o[0];
    } else {
        I.o[1] = d.src(in.ops[1], st);
    }
    if (in.ops[1].kind == Operand::SReg &&
        sreg_width(parse_sreg(in.ops[1].name)) != (ptx::type_size(st) == 8 ? 8 : 4))
        return false;
    // The destination register decides the lane width of integer results.
    bool widen = wide && is_int_type(dt) && ptx::type_size(dt) <= 4;
    if (widen) I.o[0] = d.scratch(4);
    switch (dt) {
        case Ty::U8:
        case Ty::B8: I.fn = to_int<u8>(st); break;
        case Ty::S8: I.fn = to_int<i8>(st); break;
        case Ty::U16:
        case Ty::B16: I.fn = to_int<u16>(st); break;
        case Ty::S16: I.fn = to_int<i16>(st); break;
        case Ty::U32:
        case Ty::B32: I.fn = to_int<u32>(st); break;
        case Ty::S32: I.fn = to_int<i32>(st); break;
        case Ty::U64:
        case Ty::B64: I.fn = to_int<u64>(st); break;
        case Ty::S64: I.fn = to_int<i64>(st); break;
        case Ty::F32: I.fn = is_int_type(st) ? from_int(dt, st) : ff_src<FD::F32>(st); break;
        case Ty::F64: I.fn = is_int_type(st) ? from_int(dt, st) : ff_src<FD::F64>(st); break;
        case Ty::F16: I.fn = is_int_type(st) ? from_int(dt, st) : ff_src<FD::F16>(st); break;
        case Ty::BF16: I.fn = is_int_type(st) ? from_int(dt, st) : ff_src<FD::BF16>(st); break;
        case Ty::TF32: I.fn = st == Ty::F32 ? (ExecFn)exec_ff<float, FD::TF32> : nullptr; break;
        case Ty::E4M3x2: I.fn = st == Ty::F16x2 ? (ExecFn)exec_fp8_f16x2<true> : nullptr; break;
        case Ty::E5M2x2: I.fn = st == Ty::F16x2 ? (ExecFn)exec_fp8_f16x2<false> : nullptr; break;
        case Ty::F16x2:
            I.fn = st == Ty::E4M3x2   ? (ExecFn)exec_f16x2_fp8<true>
                   : st == Ty::E5M2x2 ? (ExecFn)exec_f16x2_fp8<false>
                                      : nullptr;
            break;
        default: break;
    }
    if (!I.fn) return false;
    if (widen) {  // extend the 32-bit result into the 64-bit destination register
        Inst narrow = I;
        d.emit(narrow);
        bool sgn = dt == Ty::S8 || dt == Ty::S16 || dt == Ty::S32;
        I.fn = sgn ? (ExecFn)exec_ii<i64, i32> : (ExecFn)exec_ii<u64, u32>;
        I.flags = 0;
        I.o[1] = narrow.o[0];
        I.o[0] = d.dst(in.ops[0]);
    }
    return true;
}

}  // namespace emu
