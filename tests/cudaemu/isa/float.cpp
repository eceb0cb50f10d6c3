// Floating-point arithmetic: f32, f64, f16(x2), bf16(x2). Compiled with -frounding-math.
#include <cfenv>
#include <cmath>

#include "tests/cudaemu/isa/alu.h"
#include "tests/cudaemu/isa/fp.h"

namespace emu {

using ptx::Operand;
using ptx::Ty;

namespace {

template <bool Z>
inline float in(float a) {
    return Z ? ftz(a) : a;
}
inline float sat(float r) { return r > 0 ? (r < 1 ? r : 1.0f) : 0.0f; }  // NaN -> 0
template <bool Z, bool S>
inline float out(float r) {
    if (Z) r = ftz(r);
    if (S) r = sat(r);
    return r;
}

#define F2(Name, expr)                     \
    template <bool Z, bool S>              \
    struct Name {                          \
        static float f(float a, float b) { \
            a = in<Z>(a);                  \
            b = in<Z>(b);                  \
            return out<Z, S>(expr);        \
        }                                  \
    };
#define F1(Name, expr)              \
    template <bool Z, bool S>       \
    struct Name {                   \
        static float f(float a) {   \
            a = in<Z>(a);           \
            return out<Z, S>(expr); \
        }                           \
    };
F2(FAdd, a + b)
F2(FSub, a - b) F2(FMul, a* b) F2(FDiv, a / b) template <bool Z, bool S>
struct FFma {
    static float f(float a, float b, float c) {
        return out<Z, S>(__builtin_fmaf(in<Z>(a), in<Z>(b), in<Z>(c)));
    }
};
F1(FNeg, bitsf(fbits(a) ^ 0x80000000u))
F1(FAbs, bitsf(fbits(a) & 0x7fffffffu)) F1(FRcp, 1.0f / a) F1(FSqrt, std::sqrt(a))
    F1(FRsqrt, float(1.0 / std::sqrt(double(a)))) F1(FSin, std::sin(a)) F1(FCos, std::cos(a))
        F1(FLg2, std::log2(a)) F1(FEx2, std::exp2(a)) F1(FTanh, std::tanh(a))

            template <class T>
            inline T fmin2(T a, T b) {
    if (std::isnan(a)) return b;
    if (std::isnan(b)) return a;
    return (a < b || (a == b && std::signbit(a))) ? a : b;
}
template <class T>
inline T fmax2(T a, T b) {
    if (std::isnan(a)) return b;
    if (std::isnan(b)) return a;
    return (a > b || (a == b && !std::signbit(a))) ? a : b;
}
inline float qnan() { return bitsf(0x7fffffffu); }
F2(FMin, fmin2(a, b))
F2(FMax, fmax2(a, b)) F2(FMinNan, std::isnan(a) || std::isnan(b) ? qnan() : fmin2(a, b))
    F2(FMaxNan, std::isnan(a) || std::isnan(b) ? qnan() : fmax2(a, b)) template <bool Z, bool S>
    struct FMin3 {
    static float f(float a, float b, float c) { return fmin2(fmin2(in<Z>(a), in<Z>(b)), in<Z>(c)); }
};
template <bool Z, bool S>
struct FMax3 {
    static float f(float a, float b, float c) { return fmax2(fmax2(in<Z>(a), in<Z>(b)), in<Z>(c)); }
};

struct DAdd {
    static double f(double a, double b) { return a + b; }
};
struct DSub {
    static double f(double a, double b) { return a - b; }
};
struct DMul {
    static double f(double a, double b) { return a * b; }
};
struct DDiv {
    static double f(double a, double b) { return a / b; }
};
struct DFma {
    static double f(double a, double b, double c) { return __builtin_fma(a, b, c); }
};
struct DMin {
    static double f(double a, double b) { return fmin2(a, b); }
};
struct DMax {
    static double f(double a, double b) { return fmax2(a, b); }
};
struct DNeg {
    static double f(double a) { return bitsd(dbits(a) ^ (1ull << 63)); }
};
struct DAbs {
    static double f(double a) { return bitsd(dbits(a) & ~(1ull << 63)); }
};
struct DRcp {
    static double f(double a) { return 1.0 / a; }
};
struct DSqrt {
    static double f(double a) { return std::sqrt(a); }
};
struct DRsqrt {
    static double f(double a) { return 1.0 / std::sqrt(a); }
};
struct DRcpApprox {
    static double f(double a) { return bitsd(dbits(1.0 / a) & 0xffffffff00000000ull); }
};
struct Copysign32 {
    static u32 f(u32 a, u32 b) { return (b & 0x7fffffffu) | (a & 0x80000000u); }
};
struct Copysign64 {
    static u64 f(u64 a, u64 b) { return (b & ~(1ull << 63)) | (a & (1ull << 63)); }
};

// Directed rounding: sub = operation, sub2 = Rnd, flags bit0 ftz, bit1 sat.
enum : u8 { kAdd, kSub, kMul, kFma, kDiv, kRcp, kSqrt };
int fe_mode(Rnd r) {
    return r == Rnd::RZ   ? FE_TOWARDZERO
           : r == Rnd::RM ? FE_DOWNWARD
           : r == Rnd::RP ? FE_UPWARD
                          : FE_TONEAREST;
}
template <class T>
void exec_directed(Ctx& c, const Inst& I) {
    T* d = slot<T>(c, I.o[0]);
    const T* a = slot<T>(c, I.o[1]);
    const T* b = I.o[2] == kNoSlot ? a : slot<T>(c, I.o[2]);
    const T* e = I.o[3] == kNoSlot ? a : slot<T>(c, I.o[3]);
    int old = fegetround();
    fesetround(fe_mode(Rnd(I.sub2)));
    for_lanes(c.mask, [&](int i) {
        volatile T x = a[i], y = b[i], z = e[i], r;
        if constexpr (sizeof(T) == 4)
            if (I.flags & 1) {
                x = ftz(x);
                y = ftz(y);
                z = ftz(z);
            }
        switch (I.sub) {
            case kAdd: r = x + y; break;
            case kSub: r = x - y; break;
            case kMul: r = x * y; break;
            case kFma: r = std::fma(T(x), T(y), T(z)); break;
            case kDiv: r = x / y; break;
            case kRcp: r = T(1) / x; break;
            default: r = std::sqrt(T(x)); break;
        }
        if constexpr (sizeof(T) == 4) {
            if (I.flags & 1) r = ftz(r);
            if (I.flags & 2) r = sat(r);
        }
        d[i] = r;
    });
    fesetround(old);
}

// testp
template <class T>
void exec_testp(Ctx& c, const Inst& I) {
    const T* a = slot<T>(c, I.o[1]);
    u32 r = 0;
    for (int i = 0; i < kWarp; i++) {
        bool v = false;
        switch (I.sub) {
            case 0: v = std::isfinite(a[i]); break;
            case 1: v = std::isinf(a[i]); break;
            case 2: v = !std::isnan(a[i]); break;
            case 3: v = std::isnan(a[i]); break;
            case 4: v = std::fpclassify(a[i]) == FP_NORMAL || a[i] == 0; break;
            case 5: v = std::fpclassify(a[i]) == FP_SUBNORMAL; break;
        }
        r |= u32(v) << i;
    }
    set_pred(c, I.o[0], r);
}

// ---- 16-bit formats ---------------------------------------------------------------------------

// Rounds a double to float so that a following rounding to a narrower format is correct.
inline float round_to_odd(double d) {
    float f = float(d);
    if (double(f) != d && std::isfinite(f)) {
        u32 b = fbits(f);
        if (std::fabs(double(f)) > std::fabs(d)) b--;
        f = bitsf(b | 1);
    } else if (std::isinf(f) && std::isfinite(d)) {
        f = std::copysign(3.4028234663852886e38f, f);  // let the narrow rounding decide
    }
    return f;
}
struct H16 {
    static float to(u16 v) { return f16_to_f32(v); }
    static u16 from(float f) { return std::isnan(f) ? u16(0x7fff) : f32_to_f16_rn(f); }
    static constexpr u16 one = 0x3c00;
};
struct B16 {
    static float to(u16 v) { return bf16_to_f32(v); }
    static u16 from(float f) { return f32_to_bf16_rn(f); }
    static constexpr u16 one = 0x3f80;
};
enum : u8 { hAdd, hSub, hMul, hFma, hNeg, hAbs, hMin, hMax, hMinNan, hMaxNan, hEx2, hTanh };
enum : u16 { hfSat = 1, hfRelu = 2, hfFtz = 4 };

template <class H, int OP>
inline u16 half_op(u16 a, u16 b, u16 c, u16 flags) {
    if (OP == hNeg) return a ^ 0x8000;
    if (OP == hAbs) return a & 0x7fff;
    float x = H::to(a), y = OP == hEx2 || OP == hTanh ? 0 : H::to(b), r;
    if constexpr (OP == hMin || OP == hMax || OP == hMinNan || OP == hMaxNan) {
        bool mn = OP == hMin || OP == hMinNan;
        bool nan = std::isnan(x) || std::isnan(y);
        if (nan && (OP == hMinNan || OP == hMaxNan)) return 0x7fff;
        if (std::isnan(x) && std::isnan(y)) return 0x7fff;
        r = mn ? fmin2(x, y) : fmax2(x, y);
        return H::from(r);
    } else if constexpr (OP == hAdd)
        r = x + y;
    else if constexpr (OP == hSub)
        r = x - y;
    else if constexpr (OP == hMul)
        r = x * y;
    else if constexpr (OP == hFma)
        r = round_to_odd(std::fma(double(x), double(y), double(H::to(c))));
    else if constexpr (OP == hEx2)
        r = std::exp2(x);
    else
        r = std::tanh(x);
    u16 h = H::from(r);
    if ((flags & hfFtz) && (std::is_same_v<H, H16>)&&(h & 0x7c00) == 0) h &= 0x8000;
    if (flags & hfRelu) {
        if ((h & 0x8000) && !std::isnan(H::to(h))) h = 0;
    }
    if (flags & hfSat) {
        float f = H::to(h);
        h = !(f > 0) ? 0 : f > 1 ? H::one : h;
    }
    return h;
}
template <class H, int OP, bool X2>
void exec_half(Ctx& c, const Inst& I) {
    u32* d = slot<u32>(c, I.o[0]);
    const u32* a = slot<u32>(c, I.o[1]);
    const u32* b = I.o[2] == kNoSlot ? a : slot<u32>(c, I.o[2]);
    const u32* e = I.o[3] == kNoSlot ? a : slot<u32>(c, I.o[3]);
    for_lanes(c.mask, [&](int i) {
        u32 lo = half_op<H, OP>(u16(a[i]), u16(b[i]), u16(e[i]), I.flags);
        if (X2)
            lo |= u32(half_op<H, OP>(u16(a[i] >> 16), u16(b[i] >> 16), u16(e[i] >> 16), I.flags))
                  << 16;
        d[i] = lo;
    });
}
template <int OP>
ExecFn half_fn(Ty t) {
    switch (t) {
        case Ty::F16: return exec_half<H16, OP, false>;
        case Ty::F16x2: return exec_half<H16, OP, true>;
        case Ty::BF16: return exec_half<B16, OP, false>;
        case Ty::BF16x2: return exec_half<B16, OP, true>;
        default: return nullptr;
    }
}

// ---- comparisons ------------------------------------------------------------------------------

template <class T, int K>
struct Cmp {
    static bool f(T a, T b) {
        bool un = std::isnan(a) || std::isnan(b);
        switch (K) {
            case 0: return a == b;
            case 1: return !un && a != b;
            case 2: return a < b;
            case 3: return a <= b;
            case 4: return a > b;
            case 5: return a >= b;
            case 6: return un || a == b;
            case 7: return un || a != b;
            case 8: return un || a < b;
            case 9: return un || a <= b;
            case 10: return un || a > b;
            case 11: return un || a >= b;
            case 12: return !un;
            default: return un;
        }
    }
};
template <int K>
struct CmpZ {
    static bool f(float a, float b) { return Cmp<float, K>::f(ftz(a), ftz(b)); }
};
const char* const kCmp[] = {"eq",  "ne",  "lt",  "le",  "gt",  "ge",  "equ",
                            "neu", "ltu", "leu", "gtu", "geu", "num", "nan"};
template <int K>
struct CmpH {
    static bool f(f16 a, f16 b) { return Cmp<float, K>::f(f16_to_f32(a.v), f16_to_f32(b.v)); }
};
template <int K>
struct CmpB {
    static bool f(bf16 a, bf16 b) { return Cmp<float, K>::f(bf16_to_f32(a.v), bf16_to_f32(b.v)); }
};
template <bool Set, int K>
ExecFn cmp_one(Ty t, bool z) {
#define SEL(T, F) (Set ? (ExecFn)exec_set<T, F> : (ExecFn)exec_setp<T, F>)
    using CF = Cmp<float, K>;
    using CD = Cmp<double, K>;
    switch (t) {
        case Ty::F32: return z ? SEL(float, CmpZ<K>) : SEL(float, CF);
        case Ty::F64: return SEL(double, CD);
        case Ty::F16: return SEL(f16, CmpH<K>);
        case Ty::BF16: return SEL(bf16, CmpB<K>);
        default: return nullptr;
    }
#undef SEL
}
template <bool Set, int K = 0>
ExecFn cmp_find(const std::string& p, Ty t, bool z) {
    if constexpr (K < 14) {
        if (p == kCmp[K]) return cmp_one<Set, K>(t, z);
        return cmp_find<Set, K + 1>(p, t, z);
    } else {
        return nullptr;
    }
}
// Packed comparisons: set.cmp.f16x2 / bf16x2 (result 1.0 per half or 0xffff) and setp.f16x2 p|q.
bool cmp_value(int k, float a, float b) {
    bool un = std::isnan(a) || std::isnan(b);
    switch (k) {
        case 0: return a == b;
        case 1: return !un && a != b;
        case 2: return a < b;
        case 3: return a <= b;
        case 4: return a > b;
        case 5: return a >= b;
        case 6: return un || a == b;
        case 7: return un || a != b;
        case 8: return un || a < b;
        case 9: return un || a <= b;
        case 10: return un || a > b;
        case 11: return un || a >= b;
        case 12: return !un;
        default: return un;
    }
}
template <class H>
void exec_set_x2(Ctx& c, const Inst& I) {
    const u32 *a = slot<u32>(c, I.o[2]), *b = slot<u32>(c, I.o[3]);
    u32* d = slot<u32>(c, I.o[0]);
    for_lanes(c.mask, [&](int i) {
        u32 r = 0;
        for (int h = 0; h < 2; h++)
            if (cmp_value(I.nv, H::to(u16(a[i] >> (16 * h))), H::to(u16(b[i] >> (16 * h)))))
                r |= u32(I.imm) << (16 * h);
        d[i] = r;
    });
}
template <class H>
void exec_setp_x2(Ctx& c, const Inst& I) {
    const u32 *a = slot<u32>(c, I.o[2]), *b = slot<u32>(c, I.o[3]);
    u32 r[2] = {0, 0};
    for (int i = 0; i < kWarp; i++)
        for (int h = 0; h < 2; h++)
            r[h] |= u32(cmp_value(I.nv, H::to(u16(a[i] >> (16 * h))), H::to(u16(b[i] >> (16 * h)))))
                    << i;
    if (I.sub) {
        u32 p = pred(c, I.o[4]);
        for (auto& x : r) x = I.sub == 1 ? x & p : I.sub == 2 ? x | p : x ^ p;
    }
    set_pred(c, I.o[0], r[0]);
    set_pred(c, I.o[1], r[1]);
}
// set on 16-bit formats producing a 16-bit float or an integer mask
template <class H>
void exec_set_h(Ctx& c, const Inst& I) {
    const u32 *a = slot<u32>(c, I.o[2]), *b = slot<u32>(c, I.o[3]);
    u32* d = slot<u32>(c, I.o[0]);
    for_lanes(c.mask, [&](int i) {
        d[i] = cmp_value(I.nv, H::to(u16(a[i])), H::to(u16(b[i]))) ? u32(I.imm) : 0;
    });
}

#define ZS1(F)                                               \
    (z ? (s ? (ExecFn)exec_un<float, float, F<true, true>>   \
            : (ExecFn)exec_un<float, float, F<true, false>>) \
       : (s ? (ExecFn)exec_un<float, float, F<false, true>>  \
            : (ExecFn)exec_un<float, float, F<false, false>>))
#define ZS2(F)                                                       \
    (z ? (s ? (ExecFn)exec_bin<float, float, float, F<true, true>>   \
            : (ExecFn)exec_bin<float, float, float, F<true, false>>) \
       : (s ? (ExecFn)exec_bin<float, float, float, F<false, true>>  \
            : (ExecFn)exec_bin<float, float, float, F<false, false>>))
#define ZS3(F)                                                              \
    (z ? (s ? (ExecFn)exec_ter<float, float, float, float, F<true, true>>   \
            : (ExecFn)exec_ter<float, float, float, float, F<true, false>>) \
       : (s ? (ExecFn)exec_ter<float, float, float, float, F<false, true>>  \
            : (ExecFn)exec_ter<float, float, float, float, F<false, false>>))

}  // namespace

bool decode_float(Decoder& d, const ptx::Instr& in, Inst& I) {
    const std::string& op = in.parts[0];
    // ptxas also takes the modifier after the type: fma.rn.f16x2.relu
    bool late_relu = in.parts.back() == "relu" && in.parts.size() > 2;
    Ty t = ptx::parse_type(late_relu ? in.parts[in.parts.size() - 2] : in.parts.back());
    bool f32 = t == Ty::F32, f64 = t == Ty::F64;
    bool half = t == Ty::F16 || t == Ty::F16x2 || t == Ty::BF16 || t == Ty::BF16x2;
    if (op == "copysign") {
        I.fn = f64 ? (ExecFn)exec_bin<u64, u64, u64, Copysign64>
                   : (ExecFn)exec_bin<u32, u32, u32, Copysign32>;
        I.o[0] = d.dst(in.ops[0]);
        I.o[1] = d.src(in.ops[1], t);
        I.o[2] = d.src(in.ops[2], t);
        return true;
    }
    if (!f32 && !f64 && !half) return false;
    bool z = in.has("ftz"), s = in.has("sat");
    size_t nsrc = in.ops.size() - 1;
    auto set = [&](ExecFn fn, Cls cls, u32 flops) {
        if (!fn) return false;
        I.fn = fn;
        I.cls = cls;
        I.flops = flops;
        I.o[0] = d.dst(in.ops[0]);
        for (size_t k = 1; k <= nsrc && k < 4; k++) I.o[k] = d.src(in.ops[k], t);
        return true;
    };
    Rnd r = in.has("rz") ? Rnd::RZ : in.has("rm") ? Rnd::RM : in.has("rp") ? Rnd::RP : Rnd::RN;
    if (op == "setp" || op == "set") {
        bool st = op == "set";
        if (t == Ty::F16x2 || t == Ty::BF16x2 || (st && half)) {
            int k = 0;
            while (k < 14 && in.parts[1] != kCmp[k]) k++;
            if (k == 14) return false;
            I.nv = u8(k);
            bool bf = t == Ty::BF16x2 || t == Ty::BF16, x2 = t == Ty::F16x2 || t == Ty::BF16x2;
            if (st) {
                if (in.ops.size() > 3) return false;
                const std::string& dt = in.parts[in.parts.size() - 2];
                I.fn = x2 ? (bf ? (ExecFn)exec_set_x2<B16> : (ExecFn)exec_set_x2<H16>)
                          : (bf ? (ExecFn)exec_set_h<B16> : (ExecFn)exec_set_h<H16>);
                bool isf = dt[0] == 'f' || dt[0] == 'b';
                I.imm = isf                                ? (bf ? 0x3f80 : 0x3c00)
                        : x2 || dt == "u16" || dt == "s16" ? 0xffff
                                                           : i64(0xffffffff);
            } else {
                I.fn = bf ? (ExecFn)exec_setp_x2<B16> : (ExecFn)exec_setp_x2<H16>;
            }
            return decode_compare_operands(d, in, I, Ty::B32);
        }
        I.fn = st ? cmp_find<true>(in.parts[1], t, z) : cmp_find<false>(in.parts[1], t, z);
        if (!I.fn) return false;
        if (st) I.imm = in.parts[in.parts.size() - 2] == "f32" ? 0x3f800000 : 0xffffffff;
        return decode_compare_operands(d, in, I, t);
    }
    if (op == "testp") {
        static const char* k[] = {"finite",     "infinite", "number",
                                  "notanumber", "normal",   "subnormal"};
        for (int i = 0; i < 6; i++)
            if (in.parts[1] == k[i]) I.sub = u8(i);
        I.fn = f64 ? (ExecFn)exec_testp<double> : (ExecFn)exec_testp<float>;
        I.o[0] = d.pred_dst(in.ops[0]);
        I.o[1] = d.src(in.ops[1], t);
        return true;
    }
    if (half) {
        I.flags = u16((s ? hfSat : 0) | (in.has("relu") ? hfRelu : 0) | (z ? hfFtz : 0));
        if (in.has("abs") && op != "abs") return false;
        u32 n = t == Ty::F16x2 || t == Ty::BF16x2 ? 2 : 1;
        if (in.has("rz") || in.has("rm") || in.has("rp") || in.has("oob")) return false;
        if (op == "add") return set(half_fn<hAdd>(t), Cls::Fma, n);
        if (op == "sub") return set(half_fn<hSub>(t), Cls::Fma, n);
        if (op == "mul") return set(half_fn<hMul>(t), Cls::Fma, n);
        if (op == "fma") return set(half_fn<hFma>(t), Cls::Fma, 2 * n);
        if (op == "neg") return set(half_fn<hNeg>(t), Cls::Alu, 0);
        if (op == "abs") return set(half_fn<hAbs>(t), Cls::Alu, 0);
        if (op == "min" && nsrc == 2)
            return set(in.has("NaN") ? half_fn<hMinNan>(t) : half_fn<hMin>(t), Cls::Alu, 0);
        if (op == "max" && nsrc == 2)
            return set(in.has("NaN") ? half_fn<hMaxNan>(t) : half_fn<hMax>(t), Cls::Alu, 0);
        if (op == "ex2") return set(half_fn<hEx2>(t), Cls::Sfu, 0);
        if (op == "tanh") return set(half_fn<hTanh>(t), Cls::Sfu, 0);
        return false;
    }
    bool approx = in.has("approx") || in.has("full");
    if (r != Rnd::RN && !approx) {
        int k = op == "add"                  ? kAdd
                : op == "sub"                ? kSub
                : op == "mul"                ? kMul
                : op == "fma" || op == "mad" ? kFma
                : op == "div"                ? kDiv
                : op == "rcp"                ? kRcp
                : op == "sqrt"               ? kSqrt
                                             : -1;
        if (k >= 0) {
            I.sub = u8(k);
            I.sub2 = u8(r);
            I.flags = u16((z ? 1 : 0) | (s ? 2 : 0));
            return set(f64 ? (ExecFn)exec_directed<double> : (ExecFn)exec_directed<float>, Cls::Fma,
                       k == kFma ? 2 : 1);
        }
    }
    if (f64) {
        if (op == "add") return set(exec_bin<double, double, double, DAdd>, Cls::Fma, 1);
        if (op == "sub") return set(exec_bin<double, double, double, DSub>, Cls::Fma, 1);
        if (op == "mul") return set(exec_bin<double, double, double, DMul>, Cls::Fma, 1);
        if (op == "div") return set(exec_bin<double, double, double, DDiv>, Cls::Sfu, 1);
        if (op == "fma" || op == "mad")
            return set(exec_ter<double, double, double, double, DFma>, Cls::Fma, 2);
        if (op == "min") return set(exec_bin<double, double, double, DMin>, Cls::Alu, 0);
        if (op == "max") return set(exec_bin<double, double, double, DMax>, Cls::Alu, 0);
        if (op == "neg") return set(exec_un<double, double, DNeg>, Cls::Alu, 0);
        if (op == "abs") return set(exec_un<double, double, DAbs>, Cls::Alu, 0);
        if (op == "rcp")
            return set(approx ? (ExecFn)exec_un<double, double, DRcpApprox>
                              : (ExecFn)exec_un<double, double, DRcp>,
                       Cls::Sfu, 1);
        if (op == "sqrt") return set(exec_un<double, double, DSqrt>, Cls::Sfu, 1);
        if (op == "rsqrt") return set(exec_un<double, double, DRsqrt>, Cls::Sfu, 1);
        return false;
    }
    if (op == "add") return set(ZS2(FAdd), Cls::Fma, 1);
    if (op == "sub") return set(ZS2(FSub), Cls::Fma, 1);
    if (op == "mul") return set(ZS2(FMul), Cls::Fma, 1);
    if (op == "fma" || op == "mad") return set(ZS3(FFma), Cls::Fma, 2);
    if (op == "div") return set(ZS2(FDiv), Cls::Sfu, 1);
    if (in.has("xorsign")) return false;
    if (op == "min")
        return nsrc == 3 ? set(ZS3(FMin3), Cls::Alu, 0)
                         : set(in.has("NaN") ? ZS2(FMinNan) : ZS2(FMin), Cls::Alu, 0);
    if (op == "max")
        return nsrc == 3 ? set(ZS3(FMax3), Cls::Alu, 0)
                         : set(in.has("NaN") ? ZS2(FMaxNan) : ZS2(FMax), Cls::Alu, 0);
    if (op == "neg") return set(ZS1(FNeg), Cls::Alu, 0);
    if (op == "abs") return set(ZS1(FAbs), Cls::Alu, 0);
    if (op == "rcp") return set(ZS1(FRcp), Cls::Sfu, 1);
    if (op == "sqrt") return set(ZS1(FSqrt), Cls::Sfu, 1);
    if (op == "rsqrt") return set(ZS1(FRsqrt), Cls::Sfu, 1);
    if (op == "sin") return set(ZS1(FSin), Cls::Sfu, 1);
    if (op == "cos") return set(ZS1(FCos), Cls::Sfu, 1);
    if (op == "lg2") return set(ZS1(FLg2), Cls::Sfu, 1);
    if (op == "ex2") return set(ZS1(FEx2), Cls::Sfu, 1);
    if (op == "tanh") return set(ZS1(FTanh), Cls::Sfu, 1);
    return false;
}

}  // namespace emu
