// Common integer aliases and small helpers shared by every part of the emulator.
#pragma once
#include <bit>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <unordered_map>
#include <vector>

namespace emu {

using u8 = uint8_t;
using u16 = uint16_t;
using u32 = uint32_t;
using u64 = uint64_t;
using i8 = int8_t;
using i16 = int16_t;
using i32 = int32_t;
using i64 = int64_t;
__extension__ using u128 = unsigned __int128;
__extension__ using i128 = __int128;

constexpr int kWarp = 32;
constexpr u32 kFull = 0xffffffffu;

inline std::string format(const char* fmt, ...) __attribute__((format(printf, 1, 2)));
inline std::string format(const char* fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    va_list ap2;
    va_copy(ap2, ap);
    int n = vsnprintf(nullptr, 0, fmt, ap);
    va_end(ap);
    std::string s(size_t(n), '\0');
    vsnprintf(s.data(), size_t(n) + 1, fmt, ap2);
    va_end(ap2);
    return s;
}

// Something the emulator does not implement (or an internal inconsistency): stop loudly.
[[noreturn]] inline void die(const std::string& msg) {
    fflush(stdout);
    fprintf(stderr, "cudaemu: FATAL: %s\n", msg.c_str());
    fflush(stderr);
    abort();
}

inline long env_int(const char* name, long dflt) {
    const char* s = getenv(name);
    return s && *s ? strtol(s, nullptr, 0) : dflt;
}

template <class F>
inline void for_lanes(u32 mask, F&& f) {
    while (mask) {
        int i = std::countr_zero(mask);
        mask &= mask - 1;
        f(i);
    }
}

inline u64 align_up(u64 v, u64 a) { return (v + a - 1) / a * a; }

// xorshift generator used for seeded scheduling decisions.
struct Rng {
    u64 s = 0x9e3779b97f4a7c15ull;
    explicit Rng(u64 seed = 1) : s(seed * 0x9e3779b97f4a7c15ull + 0x1234567) {
        for (int i = 0; i < 4; i++) next();
    }
    u32 next() {
        s ^= s << 13;
        s ^= s >> 7;
        s ^= s << 17;
        return u32(s >> 16);
    }
    u32 below(u32 n) { return next() % n; }
};

}  // namespace emu
