// Integer names and small helpers that every part of the emulator uses.
#pragma once

#include <algorithm>
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

namespace fovea::cudaemu {

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
using ull = unsigned long long;  // what %llu prints

constexpr int kWarp = 32;           // lanes
constexpr u32 kFull = 0xffffffffu;  // the mask of all lanes

/// printf into a string.
[[gnu::format(printf, 1, 2)]] inline std::string format(const char* text, ...) {
    va_list args, again;
    va_start(args, text);
    va_copy(again, args);
    const int n = vsnprintf(nullptr, 0, text, args);
    va_end(args);
    std::string s(size_t(n), '\0');
    vsnprintf(s.data(), s.size() + 1, text, again);
    va_end(again);
    return s;
}

/// Something that the emulator does not implement, or an inconsistency of its own: stops loudly.
[[noreturn]] inline void die(const std::string& message) {
    fflush(stdout);
    fprintf(stderr, "cudaemu: FATAL: %s\n", message.c_str());
    abort();
}

inline long env_int(const char* name, long otherwise) {
    const char* s = getenv(name);
    return s && *s ? strtol(s, nullptr, 0) : otherwise;
}

/// f(i) for each bit i of the mask, in rising order.
template <class F>
void for_lanes(u32 mask, F&& f) {
    for (; mask; mask &= mask - 1) f(std::countr_zero(mask));
}

inline u64 align_up(u64 v, u64 a) { return (v + a - 1) / a * a; }

/// xorshift: decisions of the scheduler that a seed makes reproducible.
class Rng {
public:
    explicit Rng(u64 seed = 1) : state_(seed * 0x9e3779b97f4a7c15ull + 0x1234567) {
        for (int i = 0; i < 4; i++) next();
    }
    u32 next() {
        state_ ^= state_ << 13;
        state_ ^= state_ >> 7;
        state_ ^= state_ << 17;
        return u32(state_ >> 16);
    }
    u32 below(u32 n) { return next() % n; }

private:
    u64 state_;
};

}  // namespace fovea::cudaemu
