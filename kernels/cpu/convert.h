// Element types as C++ types, and conversion between any two of them by way of double
// (exact, but for integers beyond 2^53).
#pragma once

#include <bit>
#include <cstdint>
#include <type_traits>

#include "kernels/include/dtype.h"

namespace fovea::kernels::cpu {

struct Half {
    std::uint16_t bits;
};
struct BFloat16 {
    std::uint16_t bits;
};
struct Boolean {
    std::uint8_t value;
};

inline float to_float(BFloat16 x) { return std::bit_cast<float>(std::uint32_t{x.bits} << 16); }

inline float to_float(Half x) {
    const std::uint32_t magnitude = x.bits & 0x7FFFu, sign = (x.bits & 0x8000u) << 16;
    // The bits in float's places read as value * 2^-112, subnormals too.
    const float scaled = std::bit_cast<float>(magnitude << 13) * 0x1p112f;
    const std::uint32_t bits = magnitude < 0x7C00u ? std::bit_cast<std::uint32_t>(scaled)
                                                   : (magnitude << 13) | 0x7F800000u;
    return std::bit_cast<float>(bits | sign);
}

/// Round to nearest, ties to even.
inline BFloat16 to_bfloat16(float x) {
    const std::uint32_t bits = std::bit_cast<std::uint32_t>(x);
    const std::uint32_t rounded = bits + 0x7FFFu + ((bits >> 16) & 1u);
    const bool nan = (bits & 0x7FFFFFFFu) > 0x7F800000u;
    return {static_cast<std::uint16_t>((nan ? bits | 0x400000u : rounded) >> 16)};
}

/// Round to nearest, ties to even.
inline Half to_half(float x) {
    const std::uint32_t bits = std::bit_cast<std::uint32_t>(x);
    const std::uint32_t magnitude = bits & 0x7FFFFFFFu;
    std::uint32_t half;
    if (magnitude > 0x7F800000u) {
        half = 0x7E00u;  // NaN
    } else if (magnitude >= 0x47800000u) {
        half = 0x7C00u;  // 65536 and more
    } else if (magnitude < 0x38800000u) {
        // Subnormal: an ulp of 0.5f is the smallest half, so the adder does the rounding.
        half = std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) + 0.5f) - 0x3F000000u;
    } else {
        half = (magnitude - 0x38000000u + 0xFFFu + ((magnitude >> 13) & 1u)) >> 13;
    }
    return {static_cast<std::uint16_t>(half | ((bits >> 16) & 0x8000u))};
}

/// A float that rounds on to 16 bits as x itself would: inexact results get an odd last bit.
inline float round_to_odd(double x) {
    const float nearest = static_cast<float>(x);
    const double back = static_cast<double>(nearest);
    if (back == x || x != x) return nearest;
    std::uint32_t bits = std::bit_cast<std::uint32_t>(nearest);
    if ((back > x) == (x > 0)) --bits;  // rounded away from zero
    return std::bit_cast<float>(bits | 1u);
}

inline double to_double(Half x) { return static_cast<double>(to_float(x)); }
inline double to_double(BFloat16 x) { return static_cast<double>(to_float(x)); }
inline double to_double(Boolean x) { return x.value != 0 ? 1.0 : 0.0; }
template <class T>
double to_double(T x) {
    return static_cast<double>(x);
}

template <class T>
T from_double(double x) {
    if constexpr (std::is_same_v<T, Half>)
        return to_half(round_to_odd(x));
    else if constexpr (std::is_same_v<T, BFloat16>)
        return to_bfloat16(round_to_odd(x));
    else if constexpr (std::is_same_v<T, Boolean>)
        return {x != 0.0};
    else if constexpr (std::is_integral_v<T>)
        return static_cast<T>(static_cast<std::int64_t>(x));  // small types wrap around
    else
        return static_cast<T>(x);
}

/// f(std::type_identity<T>{}) with the element type that the dtype says.
template <class F>
void with_element_type(DType dtype, const F& f) {
    switch (dtype) {
        case DType::F32: return f(std::type_identity<float>{});
        case DType::F64: return f(std::type_identity<double>{});
        case DType::F16: return f(std::type_identity<Half>{});
        case DType::BF16: return f(std::type_identity<BFloat16>{});
        case DType::I64: return f(std::type_identity<std::int64_t>{});
        case DType::I32: return f(std::type_identity<std::int32_t>{});
        case DType::U8: return f(std::type_identity<std::uint8_t>{});
        case DType::Bool: return f(std::type_identity<Boolean>{});
    }
}

}  // namespace fovea::kernels::cpu
