// cvt in all its forms. Compiled with -frounding-math.
#include <cfenv>
#include <limits>

#include "tests/cudaemu/isa/alu.h"
#include "tests/cudaemu/isa/fp.h"

namespace fovea::cudaemu {

using ptx::Operand;
using ptx::Type;

namespace {

enum Flags : u16 { kSat = 1, kFtz = 2, kRelu = 4, kSatFinite = 8 };  // sub: Rnd

bool to_integer(Rnd r) { return r >= Rnd::RNI; }

double round_integer(double x, Rnd r) {
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

// Sets the host's rounding mode while it lives.
class HostRounding {
public:
    explicit HostRounding(Rnd r) {
        if (r == Rnd::RZ) fesetround(FE_TOWARDZERO);
        if (r == Rnd::RM) fesetround(FE_DOWNWARD);
        if (r == Rnd::RP) fesetround(FE_UPWARD);
    }
    HostRounding(const HostRounding&) = delete;
    HostRounding& operator=(const HostRounding&) = delete;
    ~HostRounding() { fesetround(old_); }

private:
    const int old_ = fegetround();
};

// The lane of an integer result: extended to the register.
template <class T>
lane_t<T> extended(T v) {
    using L = lane_t<T>;
    using W = std::conditional_t<std::is_signed_v<T>, std::make_signed_t<L>, L>;
    return L(W(v));
}

double value(float f) { return f; }
double value(double f) { return f; }
double value(f16 h) { return f16_to_f32(h.v); }
double value(bf16 h) { return bf16_to_f32(h.v); }

// ---- from integers ------------------------------------------------------------------------------

template <class D, class S>
void exec_int_to_int(Context& c, const Instruction& I) {
    const auto* a = slot<lane_t<S>>(c, I.o[1]);
    alignas(64) lane_t<D> t[kWarp];
    if (I.flags & kSat) {
        constexpr i128 lo = std::numeric_limits<D>::min(), hi = std::numeric_limits<D>::max();
        for (int i = 0; i < kWarp; i++) t[i] = extended(D(std::clamp(i128(S(a[i])), lo, hi)));
    } else {
#pragma GCC ivdep
        for (int i = 0; i < kWarp; i++) t[i] = extended(D(S(a[i])));
    }
    store_masked(slot<lane_t<D>>(c, I.o[0]), t, c.mask);
}

template <class D, class S>
void exec_int_to_float(Context& c, const Instruction& I) {
    auto* d = slot<lane_t<D>>(c, I.o[0]);
    const auto* a = slot<lane_t<S>>(c, I.o[1]);
    const Rnd r = Rnd(I.sub);
    if (r == Rnd::RN || r == Rnd::None) {
        alignas(64) lane_t<D> t[kWarp];
        for (int i = 0; i < kWarp; i++) t[i] = put(D(S(a[i])));
        return store_masked(d, t, c.mask);
    }
    const HostRounding rounding(r);
    for_lanes(c.mask, [&](int i) {
        volatile S v = S(a[i]);
        volatile D f = D(v);
        d[i] = put(D(f));
    });
}

template <class D, class S>
void exec_int_to_half(Context& c, const Instruction& I) {
    u32* d = slot<u32>(c, I.o[0]);
    const auto* a = slot<lane_t<S>>(c, I.o[1]);
    for_lanes(c.mask, [&](int i) {
        const double x = double(S(a[i]));
        d[i] = std::is_same_v<D, bf16> ? f64_to_bf16(x, Rnd(I.sub)) : f64_to_f16(x, Rnd(I.sub));
    });
}

// ---- from floats --------------------------------------------------------------------------------

// Saturates always.
template <class D, class S>
D integer_from(double x, Rnd r) {
    constexpr int kBits = 8 * sizeof(D);
    if (std::isnan(x))
        return sizeof(D) == 8 || std::is_same_v<S, double> ? D(u64(1) << (kBits - 1)) : D(0);
    x = round_integer(x, r);
    const double low = double(std::numeric_limits<D>::min());
    const double end = std::ldexp(1.0, kBits - std::is_signed_v<D>);
    return x <= low   ? std::numeric_limits<D>::min()
           : x >= end ? std::numeric_limits<D>::max()
                      : D(x);
}

template <class D, class S>
void exec_float_to_int(Context& c, const Instruction& I) {
    auto* d = slot<lane_t<D>>(c, I.o[0]);
    const auto* a = slot<lane_t<S>>(c, I.o[1]);
    for_lanes(c.mask, [&](int i) {
        double x = value(get<S>(a[i]));
        if ((I.flags & kFtz) && std::is_same_v<S, float>) x = ftz(float(x));
        d[i] = extended(integer_from<D, S>(x, Rnd(I.sub)));
    });
}

enum class To { F32, F64, F16, BF16, TF32 };

// The nearest float, then a step if that went the wrong way.
float f32_from(double x, Rnd r) {
    const float f = float(x);
    if (r == Rnd::RN || r == Rnd::None || !std::isfinite(x)) return f;
    const bool above = double(f) > x, below = double(f) < x;
    if (above && (r == Rnd::RM || (r == Rnd::RZ && x > 0))) return std::nextafter(f, -INFINITY);
    if (below && (r == Rnd::RP || (r == Rnd::RZ && x < 0))) return std::nextafter(f, INFINITY);
    return f;
}

// The modifiers, in the order in which they work.
template <class S>
double modified(double x, u16 flags, Rnd r) {
    if ((flags & kFtz) && std::is_same_v<S, float>) x = ftz(float(x));
    if (to_integer(r) && std::isfinite(x)) x = std::copysign(round_integer(x, r), x);
    if (flags & kSat) x = x > 0 ? std::min(x, 1.0) : 0.0;
    if ((flags & kRelu) && x <= 0) x = 0;
    return x;
}

template <class S, To to>
void exec_float_to_float(Context& c, const Instruction& I) {
    using L = std::conditional_t<to == To::F64, u64, u32>;
    L* d = slot<L>(c, I.o[0]);
    const auto* a = slot<lane_t<S>>(c, I.o[1]);
    const Rnd r = Rnd(I.sub), rounding = to_integer(r) ? Rnd::RN : r;
    for_lanes(c.mask, [&](int i) {
        double x = modified<S>(value(get<S>(a[i])), I.flags, r);
        if constexpr (to == To::F64) d[i] = dbits(x);
        if constexpr (to == To::F32) {
            const float f = f32_from(x, r);
            d[i] = fbits((I.flags & kFtz) ? ftz(f) : f);
        }
        if constexpr (to == To::F16) {
            if (I.flags & kSatFinite) x = std::isnan(x) ? x : std::clamp(x, -kF16.max, kF16.max);
            d[i] = f64_to_f16(x, rounding);
        }
        if constexpr (to == To::BF16) d[i] = f64_to_bf16(x, rounding);
        if constexpr (to == To::TF32) d[i] = f32_to_tf32(float(x), r);
    });
}

// ---- pairs --------------------------------------------------------------------------------------

// o[0] = {upper: o[1], lower: o[2]}, in f16 or bf16.
template <bool is_bf16>
void exec_pack_halves(Context& c, const Instruction& I) {
    u32* d = slot<u32>(c, I.o[0]);
    const float *a = slot<float>(c, I.o[1]), *b = slot<float>(c, I.o[2]);
    const double max = is_bf16 ? kBF16.max : kF16.max;
    auto half = [&](float f) -> u32 {
        double x = f;
        if ((I.flags & kRelu) && x <= 0) x = 0;
        if ((I.flags & kSatFinite) && !std::isnan(x)) x = std::clamp(x, -max, max);
        return is_bf16 ? f64_to_bf16(x, Rnd(I.sub)) : f64_to_f16(x, Rnd(I.sub));
    };
    auto nearest = [](float f) -> u32 { return is_bf16 ? HalfBF16::from(f) : HalfF16::from(f); };
    if (Rnd(I.sub) == Rnd::RN && !I.flags)
        for_lanes(c.mask, [&](int i) { d[i] = nearest(a[i]) << 16 | nearest(b[i]); });
    else
        for_lanes(c.mask, [&](int i) { d[i] = half(a[i]) << 16 | half(b[i]); });
}

template <bool e4m3>
u32 fp8_pair(float high, float low, u16 flags) {
    const bool relu = flags & kRelu;
    return u32(f32_to_fp8(high, e4m3, relu)) << 8 | f32_to_fp8(low, e4m3, relu);
}

template <bool e4m3>
void exec_f32_to_fp8(Context& c, const Instruction& I) {
    u32* d = slot<u32>(c, I.o[0]);
    const float *a = slot<float>(c, I.o[1]), *b = slot<float>(c, I.o[2]);
    for_lanes(c.mask, [&](int i) { d[i] = fp8_pair<e4m3>(a[i], b[i], I.flags); });
}

template <bool e4m3>
void exec_f16x2_to_fp8(Context& c, const Instruction& I) {
    u32* d = slot<u32>(c, I.o[0]);
    const u32* a = slot<u32>(c, I.o[1]);
    for_lanes(c.mask, [&](int i) {
        d[i] = fp8_pair<e4m3>(f16_to_f32(u16(a[i] >> 16)), f16_to_f32(u16(a[i])), I.flags);
    });
}

template <bool e4m3>
void exec_fp8_to_f16x2(Context& c, const Instruction& I) {
    u32* d = slot<u32>(c, I.o[0]);
    const u32* a = slot<u32>(c, I.o[1]);
    auto half = [](u8 v) -> u32 { return HalfF16::from(e4m3 ? e4m3_to_f32(v) : e5m2_to_f32(v)); };
    for_lanes(c.mask, [&](int i) {
        const u32 v = a[i];
        d[i] = half(u8(v >> 8)) << 16 | half(u8(v));
    });
}

// cvt.pack.sat.dtype.s32[.b32] d, a, b[, e]: two clamped numbers, then the low half of e.
template <class D>
void exec_pack_integers(Context& c, const Instruction& I) {
    constexpr int kBits = 8 * sizeof(D);
    u32* d = slot<u32>(c, I.o[0]);
    const i32 *a = slot<i32>(c, I.o[1]), *b = slot<i32>(c, I.o[2]);
    const u32* e = I.o[3] == kNoSlot ? nullptr : slot<u32>(c, I.o[3]);
    auto clamped = [](i32 v) {
        constexpr i32 lo = std::numeric_limits<D>::min(), hi = std::numeric_limits<D>::max();
        return u32(std::make_unsigned_t<D>(std::clamp(v, lo, hi)));
    };
    for_lanes(c.mask, [&](int i) {
        const u32 upper = kBits == 8 && e ? e[i] << 16 : 0;
        d[i] = clamped(a[i]) << kBits | clamped(b[i]) | upper;
    });
}

// ---- selection ----------------------------------------------------------------------------------

template <class D>
ExecFn to_int(Type s) {
    switch (s) {
        case Type::F32: return exec_float_to_int<D, float>;
        case Type::F64: return exec_float_to_int<D, double>;
        case Type::F16: return exec_float_to_int<D, f16>;
        case Type::BF16: return exec_float_to_int<D, bf16>;
        default:
            return for_integer(
                s, []<class S>(std::type_identity<S>) -> ExecFn { return exec_int_to_int<D, S>; });
    }
}

template <To to>
ExecFn float_to_float(Type s) {
    switch (s) {
        case Type::F32: return exec_float_to_float<float, to>;
        case Type::F64: return exec_float_to_float<double, to>;
        case Type::F16: return exec_float_to_float<f16, to>;
        case Type::BF16: return exec_float_to_float<bf16, to>;
        default: return nullptr;
    }
}

ExecFn int_to_float(Type d, Type s) {
    return for_integer(s, [&]<class S>(std::type_identity<S>) -> ExecFn {
        switch (d) {
            case Type::F32: return exec_int_to_float<float, S>;
            case Type::F64: return exec_int_to_float<double, S>;
            case Type::F16: return exec_int_to_half<f16, S>;
            default: return exec_int_to_half<bf16, S>;
        }
    });
}

ExecFn one_to_one(Type d, Type s) {
    const bool e4m3 = s == Type::E4M3x2;
    switch (d) {
        case Type::F32: return is_int_type(s) ? int_to_float(d, s) : float_to_float<To::F32>(s);
        case Type::F64: return is_int_type(s) ? int_to_float(d, s) : float_to_float<To::F64>(s);
        case Type::F16: return is_int_type(s) ? int_to_float(d, s) : float_to_float<To::F16>(s);
        case Type::BF16: return is_int_type(s) ? int_to_float(d, s) : float_to_float<To::BF16>(s);
        case Type::TF32: return s == Type::F32 ? exec_float_to_float<float, To::TF32> : nullptr;
        case Type::E4M3x2: return s == Type::F16x2 ? exec_f16x2_to_fp8<true> : nullptr;
        case Type::E5M2x2: return s == Type::F16x2 ? exec_f16x2_to_fp8<false> : nullptr;
        case Type::F16x2:
            if (!e4m3 && s != Type::E5M2x2) return nullptr;
            return e4m3 ? exec_fp8_to_f16x2<true> : exec_fp8_to_f16x2<false>;
        default:
            return for_integer(
                d, [&]<class D>(std::type_identity<D>) -> ExecFn { return to_int<D>(s); });
    }
}

ExecFn two_to_one(Type d) {
    switch (d) {
        case Type::F16x2: return exec_pack_halves<false>;
        case Type::BF16x2: return exec_pack_halves<true>;
        case Type::E4M3x2: return exec_f32_to_fp8<true>;
        case Type::E5M2x2: return exec_f32_to_fp8<false>;
        default: return nullptr;
    }
}

ExecFn pack_integers(Type d) {
    switch (d) {
        case Type::U8: return exec_pack_integers<u8>;
        case Type::S8: return exec_pack_integers<i8>;
        case Type::U16: return exec_pack_integers<u16>;
        case Type::S16: return exec_pack_integers<i16>;
        default: return nullptr;
    }
}

Rnd rounding_of(const ptx::Instr& in) {
    static const std::pair<const char*, Rnd> kNames[] = {
        {"rn", Rnd::RN},   {"rz", Rnd::RZ},   {"rm", Rnd::RM},
        {"rp", Rnd::RP},   {"rna", Rnd::RNA}, {"rni", Rnd::RNI},
        {"rzi", Rnd::RZI}, {"rmi", Rnd::RMI}, {"rpi", Rnd::RPI}};
    for (auto& [name, r] : kNames)
        if (in.has(name)) return r;
    return Rnd::None;
}

bool decode_one(Decoder& d, const ptx::Instr& in, Instruction& I, Type dt, Type st) {
    const Operand& source = in.ops[1];
    I.fn = one_to_one(dt, st);
    if (!I.fn) return false;
    if (source.kind == Operand::SReg &&
        sreg_width(parse_sreg(source.name)) != (ptx::type_size(st) == 8 ? 8 : 4))
        return false;

    if (source.kind == Operand::Reg && ptx::type_size(st) <= 4 && d.reg_width(source) == 8) {
        Instruction narrow;  // the register is wider than the type: its lower half first
        narrow.fn = exec_int_to_int<u32, u64>;
        narrow.src = d.current();
        narrow.o[0] = I.o[1] = d.scratch(4);
        narrow.o[1] = d.reg_slot(source.reg);
        d.emit(narrow);
    } else {
        I.o[1] = d.src(source, st);
    }

    I.o[0] = d.dst(in.ops[0]);
    if (d.reg_width(in.ops[0]) == 8 && is_int_type(dt) && ptx::type_size(dt) <= 4) {
        I.o[0] = d.scratch(4);  // the register is wider than the result: extend it
        d.emit(I);
        const bool is_signed = is_signed_type(dt);
        I.fn = is_signed ? exec_int_to_int<i64, i32> : exec_int_to_int<u64, u32>;
        I.flags = 0;
        I.o[1] = I.o[0];
        I.o[0] = d.dst(in.ops[0]);
    }
    return true;
}

}  // namespace

bool decode_cvt(Decoder& d, const ptx::Instr& in, Instruction& I) {
    if (in.parts[0] != "cvt" || in.has("rs")) return false;
    std::vector<Type> types;
    for (const std::string& p : in.parts)
        if (const Type t = ptx::parse_type(p); t != Type::None) types.push_back(t);
    if (types.size() < 2) return false;
    I.sub = u8(rounding_of(in));
    I.flags = u16((in.has("sat") ? kSat : 0) | (in.has("ftz") ? kFtz : 0) |
                  (in.has("relu") ? kRelu : 0) | (in.has("satfinite") ? kSatFinite : 0));
    const bool pack = in.has("pack");
    if (!pack && in.ops.size() == 2) return decode_one(d, in, I, types[0], types[1]);

    if (!pack && types[1] != Type::F32) return false;
    I.fn = pack ? pack_integers(types[0]) : two_to_one(types[0]);
    I.o[0] = d.dst(in.ops[0]);
    for (size_t k = 1; k < in.ops.size() && k < 4; k++) I.o[k] = d.src_w(in.ops[k], 4);
    return I.fn != nullptr;
}

}  // namespace fovea::cudaemu
