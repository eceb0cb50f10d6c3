// Access to the registers of a warp, lane by lane.
#pragma once

#include "tests/cudaemu/machine/state.h"

namespace fovea::cudaemu {

/// The 32 values of a register, or of a constant.
template <class T>
T* slot(Context& c, u32 off) {
    return reinterpret_cast<T*>(c.base[off >> 31] + (off & ~kConstBit));
}

inline u32& pred(Context& c, u32 off) { return *slot<u32>(c, off); }

inline void set_pred(Context& c, u32 off, u32 bits) {
    if (off == kNoSlot) return;
    u32& p = pred(c, off);
    p = (p & ~c.mask) | (bits & c.mask);
}

/// Values of type T live in lanes of 32 bits, or of 64.
template <class T>
using lane_t = std::conditional_t<(sizeof(T) > 4), u64, u32>;

template <class T>
T get(lane_t<T> s) {
    if constexpr (std::is_integral_v<T>)
        return T(s);
    else if constexpr (sizeof(T) == sizeof(s))
        return std::bit_cast<T>(s);
    else
        return T{u16(s)};
}

template <class T>
lane_t<T> put(T t) {
    if constexpr (std::is_integral_v<T> && sizeof(T) < 4)
        return u32(std::make_unsigned_t<T>(t));
    else if constexpr (std::is_integral_v<T>)
        return lane_t<T>(t);
    else if constexpr (sizeof(T) == sizeof(lane_t<T>))
        return std::bit_cast<lane_t<T>>(t);
    else
        return t.v;
}

template <class S>
void store_masked(S* __restrict d, const S* __restrict t, u32 mask) {
    if (mask == kFull) {
        for (int i = 0; i < kWarp; i++) d[i] = t[i];
    } else {
        for (int i = 0; i < kWarp; i++) d[i] = (mask >> i & 1) ? t[i] : d[i];
    }
}

}  // namespace fovea::cudaemu
