// Small floating-point formats: f16, bf16, tf32, fp8 (e4m3, e5m2) and explicit rounding.
#pragma once
#include <immintrin.h>
#include <cmath>

#include "tests/cudaemu/base.h"

namespace emu {

inline u32 fbits(float f) { return std::bit_cast<u32>(f); }
inline float bitsf(u32 b) { return std::bit_cast<float>(b); }
inline u64 dbits(double f) { return std::bit_cast<u64>(f); }
inline double bitsd(u64 b) { return std::bit_cast<double>(b); }

enum class Rnd : u8 { None, RN, RZ, RM, RP, RNA, RNI, RZI, RMI, RPI };

// Storage types for the 16-bit formats, so that templates can tell them apart.
struct f16 {
    u16 v;
};
struct bf16 {
    u16 v;
};
struct f16x2 {
    u32 v;
};
struct bf16x2 {
    u32 v;
};

// A format with `mant` explicit mantissa bits and exponent range, rounded from a double.
// emin is the exponent of the smallest normal number; emax of the largest binade.
struct FloatSpec {
    int mant, emin, emax;
    double maxval;
};
constexpr FloatSpec kSpecF16{10, -14, 15, 65504.0};
constexpr FloatSpec kSpecBF16{7, -126, 127, 3.3895313892515355e38};
constexpr FloatSpec kSpecE4M3{3, -6, 8, 448.0};
constexpr FloatSpec kSpecE5M2{2, -14, 15, 57344.0};
constexpr FloatSpec kSpecTF32{10, -126, 127, 3.4011621342146535e38};

// Rounds |x| (finite) to the format; the result may exceed maxval (caller handles overflow).
inline double round_to_spec(double x, const FloatSpec& s, Rnd r) {
    if (x == 0 || !std::isfinite(x)) return x;
    int e;
    std::frexp(x, &e);
    e -= 1;  // |x| in [2^e, 2^(e+1))
    if (e < s.emin) e = s.emin;
    double ulp = std::ldexp(1.0, e - s.mant);
    double q = x / ulp;  // exact: a power of two scaling
    double f;
    switch (r) {
        case Rnd::RZ: f = std::trunc(q); break;
        case Rnd::RM: f = std::floor(q); break;
        case Rnd::RP: f = std::ceil(q); break;
        case Rnd::RNA: f = std::round(q); break;
        default: f = std::nearbyint(q); break;
    }
    if (f == 0) return std::copysign(0.0, x);
    return f * ulp;
}

inline float f16_to_f32(u16 h) { return _cvtsh_ss(h); }
inline u16 f32_to_f16_rn(float f) { return _cvtss_sh(f, _MM_FROUND_TO_NEAREST_INT); }
inline float bf16_to_f32(u16 h) { return bitsf(u32(h) << 16); }
inline u16 f32_to_bf16_rn(float f) {
    u32 b = fbits(f);
    if ((b & 0x7fffffff) > 0x7f800000) return 0x7fff;
    return u16((b + 0x7fff + ((b >> 16) & 1)) >> 16);
}

inline u16 f64_to_f16(double x, Rnd r) {
    if (std::isnan(x)) return 0x7fff;
    u16 sign = std::signbit(x) ? 0x8000 : 0;
    double y = round_to_spec(x, kSpecF16, r);
    if (std::fabs(y) > kSpecF16.maxval) {
        bool tomax = std::isfinite(x) &&
                     (r == Rnd::RZ || (r == Rnd::RM && x > 0) || (r == Rnd::RP && x < 0));
        return sign | (tomax ? 0x7bff : 0x7c00);
    }
    return _cvtss_sh(float(y), _MM_FROUND_TO_NEAREST_INT);  // exact
}
inline u16 f64_to_bf16(double x, Rnd r) {
    if (std::isnan(x)) return 0x7fff;
    u16 sign = std::signbit(x) ? 0x8000 : 0;
    double y = round_to_spec(x, kSpecBF16, r);
    if (std::fabs(y) > kSpecBF16.maxval) {
        bool tomax = std::isfinite(x) &&
                     (r == Rnd::RZ || (r == Rnd::RM && x > 0) || (r == Rnd::RP && x < 0));
        return sign | (tomax ? 0x7f7f : 0x7f80);
    }
    return u16(fbits(float(y)) >> 16);
}
inline u32 f32_to_tf32(float f, Rnd r) {
    u32 b = fbits(f);
    if ((b & 0x7f800000) == 0x7f800000) return (b & 0x7fffff) ? 0x7fffffff : b;
    if (r == Rnd::RZ) return b & 0xffffe000u;
    if (r == Rnd::RN) return (b + 0xfff + ((b >> 13) & 1)) & 0xffffe000u;
    return (b + 0x1000) & 0xffffe000u;  // rna
}
// The bits a tensor core looks at in a .tf32 operand.
inline float tf32_operand(u32 b) { return bitsf(b & 0xffffe000u); }

inline float e4m3_to_f32(u8 v) {
    int s = v >> 7, e = (v >> 3) & 15, m = v & 7;
    if (e == 15 && m == 7) return std::nanf("");
    float r = e ? std::ldexp(float(8 + m), e - 10) : std::ldexp(float(m), -9);
    return s ? -r : r;
}
inline float e5m2_to_f32(u8 v) { return f16_to_f32(u16(v << 8)); }
inline u8 f32_to_fp8(float f, bool e4m3, bool relu) {
    if (std::isnan(f)) return 0x7f;
    if (relu && !(f > 0)) return 0;
    const FloatSpec& s = e4m3 ? kSpecE4M3 : kSpecE5M2;
    double y = round_to_spec(f, s, Rnd::RN);
    u8 sign = std::signbit(f) ? 0x80 : 0;
    if (std::fabs(y) > s.maxval) return sign | (e4m3 ? 0x7e : 0x7b);  // satfinite
    double a = std::fabs(y);
    if (a == 0) return sign;
    int e;
    std::frexp(a, &e);
    e -= 1;
    int bias = e4m3 ? 7 : 15;
    if (e < s.emin) return sign | u8(std::ldexp(a, s.mant - s.emin));
    u32 m = u32(std::ldexp(a, s.mant - e)) - (1u << s.mant);
    return sign | u8(((e + bias) << s.mant) | m);
}

inline float ftz(float f) { return (fbits(f) & 0x7f800000) ? f : bitsf(fbits(f) & 0x80000000u); }

}  // namespace emu
