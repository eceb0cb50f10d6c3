// Small floating-point formats: f16, bf16, tf32, fp8 (e4m3, e5m2), and rounding in any direction.
#pragma once

#include <immintrin.h>

#include <cmath>

#include "tests/cudaemu/base.h"

namespace fovea::cudaemu {

inline u32 fbits(float f) { return std::bit_cast<u32>(f); }
inline float bitsf(u32 b) { return std::bit_cast<float>(b); }
inline u64 dbits(double f) { return std::bit_cast<u64>(f); }
inline double bitsd(u64 b) { return std::bit_cast<double>(b); }

/// Flushes a denormal to zero, with its sign.
inline float ftz(float f) { return (fbits(f) & 0x7f800000) ? f : bitsf(fbits(f) & 0x80000000u); }

/// Rounding: to nearest even, to zero, down, up, to nearest away from zero; I: to an integer.
enum class Rnd : u8 { None, RN, RZ, RM, RP, RNA, RNI, RZI, RMI, RPI };

// 16-bit formats as types of their own, so that templates can tell them apart.
struct f16 {
    u16 v;
};
struct bf16 {
    u16 v;
};

/// Explicit mantissa bits, exponent of the smallest normal number, largest finite value.
struct FloatFormat {
    int mantissa, min_exponent;
    double max;
};
constexpr FloatFormat kF16{10, -14, 65504.0};
constexpr FloatFormat kBF16{7, -126, 3.3895313892515355e38};
constexpr FloatFormat kE4M3{3, -6, 448.0};
constexpr FloatFormat kE5M2{2, -14, 57344.0};

/// Rounds to the format's precision; the caller sees to overflow.
inline double round_to(double x, const FloatFormat& format, Rnd r) {
    if (x == 0 || !std::isfinite(x)) return x;
    int e;
    std::frexp(x, &e);  // |x| in [2^(e-1), 2^e)
    const double ulp = std::ldexp(1.0, std::max(e - 1, format.min_exponent) - format.mantissa);
    double q = x / ulp;  // exact, as ulp is a power of two
    switch (r) {
        case Rnd::RZ: q = std::trunc(q); break;
        case Rnd::RM: q = std::floor(q); break;
        case Rnd::RP: q = std::ceil(q); break;
        case Rnd::RNA: q = std::round(q); break;
        default: q = std::nearbyint(q); break;
    }
    return q == 0 ? std::copysign(0.0, x) : q * ulp;
}

/// Does a finite x beyond the largest number round to that number, not to infinity?
inline bool overflows_to_max(double x, Rnd r) {
    return std::isfinite(x) && (r == Rnd::RZ || (r == Rnd::RM && x > 0) || (r == Rnd::RP && x < 0));
}

// ---- 16 bits ------------------------------------------------------------------------------------

inline float f16_to_f32(u16 h) { return _cvtsh_ss(h); }
inline u16 f32_to_f16_rn(float f) { return _cvtss_sh(f, _MM_FROUND_TO_NEAREST_INT); }
inline float bf16_to_f32(u16 h) { return bitsf(u32(h) << 16); }
inline u16 f32_to_bf16_rn(float f) {
    const u32 b = fbits(f);
    if ((b & 0x7fffffff) > 0x7f800000) return 0x7fff;
    return u16((b + 0x7fff + ((b >> 16) & 1)) >> 16);
}

inline u16 f64_to_f16(double x, Rnd r) {
    if (std::isnan(x)) return 0x7fff;
    const double y = round_to(x, kF16, r);
    if (std::fabs(y) <= kF16.max) return f32_to_f16_rn(float(y));  // exact
    return u16((std::signbit(x) ? 0x8000 : 0) | (overflows_to_max(x, r) ? 0x7bff : 0x7c00));
}
inline u16 f64_to_bf16(double x, Rnd r) {
    if (std::isnan(x)) return 0x7fff;
    const double y = round_to(x, kBF16, r);
    if (std::fabs(y) <= kBF16.max) return u16(fbits(float(y)) >> 16);
    return u16((std::signbit(x) ? 0x8000 : 0) | (overflows_to_max(x, r) ? 0x7f7f : 0x7f80));
}

/// The two 16-bit formats behind one interface.
struct HalfF16 {
    static float to(u16 v) { return f16_to_f32(v); }
    static u16 from(float f) { return std::isnan(f) ? u16(0x7fff) : f32_to_f16_rn(f); }
    static constexpr u16 kOne = 0x3c00;
};
struct HalfBF16 {
    static float to(u16 v) { return bf16_to_f32(v); }
    static u16 from(float f) { return f32_to_bf16_rn(f); }
    static constexpr u16 kOne = 0x3f80;
};

// ---- tf32 ---------------------------------------------------------------------------------------

inline u32 f32_to_tf32(float f, Rnd r) {
    const u32 b = fbits(f);
    if ((b & 0x7f800000) == 0x7f800000) return (b & 0x7fffff) ? 0x7fffffff : b;
    if (r == Rnd::RZ) return b & 0xffffe000u;
    if (r == Rnd::RN) return (b + 0xfff + ((b >> 13) & 1)) & 0xffffe000u;
    return (b + 0x1000) & 0xffffe000u;  // RNA
}
/// What a tensor core looks at in a .tf32 operand.
inline float tf32_operand(u32 b) { return bitsf(b & 0xffffe000u); }

// ---- 8 bits -------------------------------------------------------------------------------------

inline float e4m3_to_f32(u8 v) {
    const int e = (v >> 3) & 15, m = v & 7;
    if (e == 15 && m == 7) return std::nanf("");
    const float r = e ? std::ldexp(float(8 + m), e - 10) : std::ldexp(float(m), -9);
    return v >> 7 ? -r : r;
}
inline float e5m2_to_f32(u8 v) { return f16_to_f32(u16(v << 8)); }

/// To nearest, beyond the largest number to that number (satfinite).
inline u8 f32_to_fp8(float f, bool e4m3, bool relu) {
    if (std::isnan(f)) return 0x7f;
    if (relu && !(f > 0)) return 0;
    const FloatFormat& format = e4m3 ? kE4M3 : kE5M2;
    const u8 sign = std::signbit(f) ? 0x80 : 0;
    const double a = std::fabs(round_to(f, format, Rnd::RN));
    if (a > format.max) return sign | (e4m3 ? 0x7e : 0x7b);
    if (a == 0) return sign;
    int e;
    std::frexp(a, &e);
    e--;
    if (e < format.min_exponent)  // denormal
        return sign | u8(std::ldexp(a, format.mantissa - format.min_exponent));
    const u32 m = u32(std::ldexp(a, format.mantissa - e)) - (1u << format.mantissa);
    const int biased = e + (e4m3 ? 7 : 15);
    return sign | u8(u32(biased) << format.mantissa | m);
}

}  // namespace fovea::cudaemu
