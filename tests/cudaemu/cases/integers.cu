// Integer instructions against plain C++, on random and on extreme operands.
#include <algorithm>
#include <bit>

#include "tests/cudaemu/cases/case.h"

using u = unsigned;
using u16 = unsigned short;
using u64 = unsigned long long;
using i64 = long long;

// ---- instructions without a C++ name, and what they mean ----------------------------------------

#define ASM1(name, text)                         \
    __device__ u name(u x) {                     \
        u r;                                     \
        asm(text " %0, %1;" : "=r"(r) : "r"(x)); \
        return r;                                \
    }
#define ASM2(name, text)                                     \
    __device__ u name(u x, u y) {                            \
        u r;                                                 \
        asm(text " %0, %1, %2;" : "=r"(r) : "r"(x), "r"(y)); \
        return r;                                            \
    }
#define ASM3(name, text)                                                 \
    __device__ u name(u x, u y, u z) {                                   \
        u r;                                                             \
        asm(text " %0, %1, %2, %3;" : "=r"(r) : "r"(x), "r"(y), "r"(z)); \
        return r;                                                        \
    }
ASM1(bfind_u32, "bfind.u32")
ASM1(bfind_s32, "bfind.s32")
ASM1(bfind_shift, "bfind.shiftamt.u32")
ASM1(cnot, "cnot.b32")
ASM2(mul24_s32, "mul24.lo.s32")
ASM2(mul24_u32, "mul24.lo.u32")
ASM2(add_sat, "add.sat.s32")
ASM2(sub_sat, "sub.sat.s32")
ASM2(bmsk_clamp, "bmsk.clamp.b32")
ASM2(bmsk_wrap, "bmsk.wrap.b32")
ASM3(bfe_u32, "bfe.u32")
ASM3(bfe_s32, "bfe.s32")
ASM3(slct, "slct.u32.s32")
ASM3(fns, "fns.b32")
ASM3(dp2a_low, "dp2a.lo.s32.u32")
ASM3(dp2a_high, "dp2a.hi.u32.s32")
ASM3(shf_right_clamp, "shf.r.clamp.b32")
ASM3(prmt, "prmt.b32")
ASM3(prmt_f4e, "prmt.b32.f4e")
ASM3(prmt_b4e, "prmt.b32.b4e")
ASM3(prmt_rc8, "prmt.b32.rc8")
ASM3(prmt_ecl, "prmt.b32.ecl")
ASM3(prmt_ecr, "prmt.b32.ecr")
ASM3(prmt_rc16, "prmt.b32.rc16")

__device__ u bfi_b32(u x, u y, u pos, u len) {
    u r;
    asm("bfi.b32 %0, %1, %2, %3, %4;" : "=r"(r) : "r"(x), "r"(y), "r"(pos), "r"(len));
    return r;
}
__device__ u lop3_b4(u x, u y, u z) {
    u r;
    asm("lop3.b32 %0, %1, %2, %3, 0xb4;" : "=r"(r) : "r"(x), "r"(y), "r"(z));
    return r;
}

// The upper half of sums, differences and products of 64 or 96 bits: what a carry is for.
__device__ u add_carry(u x, u y) {
    u r;
    asm("{.reg .u32 t; add.cc.u32 t, %1, %2; addc.u32 %0, %1, 0;}" : "=r"(r) : "r"(x), "r"(y));
    return r;
}
__device__ u sub_borrow(u x, u y) {
    u r;
    asm("{.reg .u32 t; sub.cc.u32 t, %1, %2; subc.u32 %0, %2, %1;}" : "=r"(r) : "r"(x), "r"(y));
    return r;
}
__device__ u mad_carry(u x, u y) {
    u r;
    asm("{.reg .u32 t; mad.lo.cc.u32 t, %1, %2, %1; madc.hi.u32 %0, %1, %2, %2;}"
        : "=r"(r)
        : "r"(x), "r"(y));
    return r;
}
__device__ u mad_carry_signed(u x, u y) {
    u r;
    asm("{.reg .s32 t; mad.lo.cc.s32 t, %1, %2, %1; madc.hi.s32 %0, %1, %2, 0;}"
        : "=r"(r)
        : "r"(x), "r"(y));
    return r;
}

u byte_mask(u len) { return len ? u((u64(1) << len) - 1) : 0; }

u extract(u x, u pos, u len) { return x >> pos & byte_mask(len); }

// The sign is the top bit of the field, or of x if the field reaches beyond it.
u extract_signed(u x, u pos, u len) {
    if (!len) return 0;
    const u field = u(int(x) >> pos) & byte_mask(len);
    return x >> std::min(pos + len - 1, 31u) & 1 ? field | ~byte_mask(len) : field;
}

u insert(u x, u y, u pos, u len) {
    const u mask = byte_mask(std::min(len, 32 - pos)) << pos;
    return (y & ~mask) | (x << pos & mask);
}

u lookup(u table, u x, u y, u z) {
    u r = 0;
    for (int i = 0; i < 32; i++)
        r |= (table >> ((x >> i & 1) * 4 + (y >> i & 1) * 2 + (z >> i & 1)) & 1) << i;
    return r;
}

u reversed(u x) {
    u r = 0;
    for (int i = 0; i < 32; i++) r |= (x >> i & 1) << (31 - i);
    return r;
}

// A selector is a nibble: which of the 8 bytes, and in its top bit whether to spread the byte's
// sign.
u permuted(u x, u y, u selector) {
    const u64 bytes = u64(y) << 32 | x;
    u r = 0;
    for (int i = 0; i < 4; i++) {
        const u nibble = selector >> 4 * i & 15, byte = u(bytes >> 8 * (nibble & 7)) & 255;
        r |= (nibble < 8 ? byte : byte & 128 ? 255 : 0) << 8 * i;
    }
    return r;
}

template <class Byte>
u dot4(u x, u y, u sum) {
    for (int i = 0; i < 4; i++) sum += u(int(Byte(x >> 8 * i)) * int(Byte(y >> 8 * i)));
    return sum;
}

u highest_bit(u x) { return x ? 31 - std::countl_zero(x) : ~0u; }

i64 saturated(i64 v) { return std::clamp<i64>(v, INT32_MIN, INT32_MAX); }

int low24(int x) { return int(u(x) << 8) >> 8; }

// The n-th set bit of the mask from a base, upwards or downwards; n = 0: at the base.
u nth_bit(u mask, u base, int n) {
    if (n == 0) return mask >> base & 1 ? base : ~0u;
    for (int k = int(base), left = std::abs(n); k >= 0 && k<32; k += n> 0 ? 1 : -1)
        if ((mask >> k & 1) && --left == 0) return u(k);
    return ~0u;
}

template <class Half, class Byte>
u dot2(u x, u y, u sum, int first) {
    for (int i = 0; i < 2; i++) sum += u(int(Half(x >> 16 * i)) * int(Byte(y >> 8 * (i + first))));
    return sum;
}

// Byte i of the result is byte source(i) of the pair.
template <class F>
u bytes_from(u x, u y, F source) {
    u r = 0;
    for (int i = 0; i < 4; i++) r |= (u((u64(y) << 32 | x) >> 8 * source(i)) & 255) << 8 * i;
    return r;
}

bool overflows(u x, u y) { return x == 0x80000000u && y == ~0u; }  // INT_MIN / -1

// ---- the table: OP(on the device, on the host); q is the pair (x, y) ----------------------------

#define INTEGER_OPS(OP)                                                                        \
    OP(__umulhi(x, y), u64(x) * y >> 32)                                                       \
    OP(__mulhi(int(x), int(y)), i64(int(x)) * int(y) >> 32)                                    \
    OP(__popc(x), std::popcount(x))                                                            \
    OP(__clz(x), std::countl_zero(x))                                                          \
    OP(__brev(x), reversed(x))                                                                 \
    OP(__ffs(x), x ? std::countr_zero(x) + 1 : 0)                                              \
    OP(__byte_perm(x, y, x ^ y), permuted(x, y, (x ^ y) & 0x7777))                             \
    OP(prmt(x, y, x ^ y), permuted(x, y, x ^ y))                                               \
    OP(__funnelshift_l(x, y, y), u((u64(y) << 32 | x) << (y & 31) >> 32))                      \
    OP(__funnelshift_r(x, y, y), (u64(y) << 32 | x) >> (y & 31))                               \
    OP(__funnelshift_lc(x, y, y & 63),                                                         \
       (y & 63) < 32 ? u((u64(y) << 32 | x) << (y & 31) >> 32) : x)                            \
    OP(__dp4a(int(x), int(y), 5), dot4<signed char>(x, y, 5))                                  \
    OP(__dp4a(x, y, 5u), dot4<unsigned char>(x, y, 5))                                         \
    OP(y ? x / y : 0, y ? x / y : 0)                                                           \
    OP(y ? x % y : 0, y ? x % y : 0)                                                           \
    OP(y ? int(x) / int(y) : 0, !y ? 0 : overflows(x, y) ? int(x) : int(x) / int(y))           \
    OP(y ? int(x) % int(y) : 0, !y || overflows(x, y) ? 0 : int(x) % int(y))                   \
    OP(bfe_u32(x, y & 31, y >> 8 & 31), extract(x, y & 31, y >> 8 & 31))                       \
    OP(bfe_s32(x, y & 31, y >> 8 & 31), extract_signed(x, y & 31, y >> 8 & 31))                \
    OP(bfi_b32(x, y, y & 31, x & 31), insert(x, y, y & 31, x & 31))                            \
    OP(lop3_b4(x, y, x + y), lookup(0xb4, x, y, x + y))                                        \
    OP(add_carry(x, y), x + (x + y < x))                                                       \
    OP(sub_borrow(x, y), y - x - (x < y))                                                      \
    OP(mad_carry(x, y), (u64(x) * y + x + (u64(y) << 32)) >> 32)                               \
    OP(mad_carry_signed(x, y), (u64(i64(int(x)) * int(y)) + x) >> 32)                          \
    OP(bfind_u32(x), highest_bit(x))                                                           \
    OP(bfind_s32(x), highest_bit(int(x) < 0 ? ~x : x))                                         \
    OP(bfind_shift(x), x ? std::countl_zero(x) : ~0u)                                          \
    OP(cnot(x & 3), (x & 3) == 0)                                                              \
    OP(mul24_s32(x, y), u(i64(low24(int(x))) * low24(int(y))))                                 \
    OP(mul24_u32(x, y), u64(x & 0xffffff) * (y & 0xffffff))                                    \
    OP(add_sat(x, y), saturated(i64(int(x)) + int(y)))                                         \
    OP(sub_sat(x, y), saturated(i64(int(x)) - int(y)))                                         \
    OP(bmsk_clamp(x & 63, y & 63),                                                             \
       (x & 63) < 32 ? byte_mask(std::min(y & 63, 32u)) << (x & 31) : 0)                       \
    OP(bmsk_wrap(x, y), byte_mask(y & 31) << (x & 31))                                         \
    OP(slct(x, y, x ^ y), int(x ^ y) >= 0 ? x : y)                                             \
    OP(fns(x, y & 31, int(y >> 5 & 15) - 8), nth_bit(x, y & 31, int(y >> 5 & 15) - 8))         \
    OP(dp2a_low(x, y, 7), (dot2<short, unsigned char>(x, y, 7, 0)))                            \
    OP(dp2a_high(x, y, 7), (dot2<unsigned short, signed char>(x, y, 7, 2)))                    \
    OP(shf_right_clamp(x, y, y & 63), (u64(y) << 32 | x) >> std::min(y & 63, 32u))             \
    OP(prmt_f4e(x, y, x), bytes_from(x, y, [&](int i) { return (x & 3) + i; }))                \
    OP(prmt_b4e(x, y, x), bytes_from(x, y, [&](int i) { return ((x & 3) + 8 - i) & 7; }))      \
    OP(prmt_rc8(x, y, x), bytes_from(x, y, [&](int) { return x & 3; }))                        \
    OP(prmt_ecl(x, y, x), bytes_from(x, y, [&](int i) { return std::max(u(i), x & 3); }))      \
    OP(prmt_ecr(x, y, x), bytes_from(x, y, [&](int i) { return std::min(u(i), x & 3); }))      \
    OP(prmt_rc16(x, y, x), bytes_from(x, y, [&](int i) { return (x & 1) * 2 + (i & 1); }))     \
    OP(__mul64hi(i64(q), i64(q) * 3), (__int128)i64(q) * (i64(q) * 3) >> 64)                   \
    OP(q << (y & 63), q << (y & 63))                                                           \
    OP(i64(q) >> (y & 63), i64(q) >> (y & 63))                                                 \
    OP(i64(q) / (i64(x) + 1), i64(q) / (i64(x) + 1))                                           \
    OP(min(i64(q), i64(x)), std::min(i64(q), i64(x)))                                          \
    OP(u(u16(x) * u16(y)) ^ u(u16(x) >> (y & 15)), u(u16(x) * u16(y)) ^ u(u16(x) >> (y & 15))) \
    OP(__popcll(q), std::popcount(q))                                                          \
    OP(__clzll(q), std::countl_zero(q))                                                        \
    OP(__umul64hi(q, q ^ 0x123456789), (unsigned __int128)q*(q ^ 0x123456789) >> 64)           \
    OP(q / (x | 1), q / (x | 1))                                                               \
    OP(i64(q) % (int(y) | 1), i64(q) % (int(y) | 1))                                           \
    OP(__sad(int(x), int(y), 3u), 3 + u(std::abs(i64(int(x)) - int(y))))                       \
    OP(min(int(x), int(y)) ^ max(x, y), std::min(int(x), int(y)) ^ int(std::max(x, y)))        \
    OP(short(x) * short(y), short(x) * short(y))                                               \
    OP(int(x) >> (y & 31), int(x) >> (y & 31))                                                 \
    OP(q >> (y & 63), q >> (y & 63))                                                           \
    OP(abs(int(x)), int(x) < 0 ? 0 - x : x)

#define COUNT(device, host) +1
constexpr int kOps = INTEGER_OPS(COUNT);
#undef COUNT

__global__ void compute(const u* a, const u* b, u* out, int n) {
    const int i = threadIdx.x + blockIdx.x * blockDim.x;
    if (i >= n) return;
    const u x = a[i], y = b[i];
    const u64 q = u64(x) << 32 | y;
    u* p = out + i * kOps;
#define STORE(device, host) *p++ = u(device);
    INTEGER_OPS(STORE)
#undef STORE
}

CASE(integer_instructions) {
    const int n = 2048;
    std::mt19937 draw(1);
    std::vector<u> a(n), b(n);
    for (int i = 0; i < n; i++) {
        a[i] = u(draw()) >> (draw() % 32);
        b[i] = u(draw()) >> (draw() % 32);
        if (i % 5 == 0) a[i] = 0 - a[i];
        if (i % 7 == 0) b[i] = 0 - b[i];
    }
    a[0] = 0;
    b[1] = 0;
    a[2] = 0x80000000u;
    b[2] = ~0u;

    DeviceArray<u> A(a), B(b), out(n * kOps);
    compute<<<(n + 127) / 128, 128>>>(A, B, out, n);
    auto got = out.get();
    for (int i = 0; i < n; i++) {
        const u x = a[i], y = b[i];
        const u64 q = u64(x) << 32 | y;
        const u* p = &got[i * kOps];
#define COMPARE(device, host) expect(*p++ == u(host), #device, int(i));
        INTEGER_OPS(COMPARE)
#undef COMPARE
    }
}

int main(int argc, char** argv) { return run_cases(argc, argv); }
