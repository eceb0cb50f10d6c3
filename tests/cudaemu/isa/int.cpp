// Integer, logical, move and predicate instructions.
#include <algorithm>

#include "tests/cudaemu/isa/alu.h"

namespace emu {

using ptx::Operand;
using ptx::Ty;

namespace {

template <class T>
using U = std::make_unsigned_t<T>;

template <class T>
struct Add {
    static T f(T a, T b) { return T(U<T>(a) + U<T>(b)); }
};
template <class T>
struct Sub {
    static T f(T a, T b) { return T(U<T>(a) - U<T>(b)); }
};
template <class T>
struct MulLo {
    static T f(T a, T b) { return T(u64(a) * u64(b)); }
};
template <class T>
struct MulHi {
    static T f(T a, T b) {
        if constexpr (sizeof(T) == 8) {
            if constexpr (std::is_signed_v<T>)
                return T((i128(a) * i128(b)) >> 64);
            else
                return T((u128(a) * u128(b)) >> 64);
        } else {
            using W = std::conditional_t<std::is_signed_v<T>, i64, u64>;
            return T((W(a) * W(b)) >> (8 * sizeof(T)));
        }
    }
};
template <class T>
struct Wider {
    using type =
        std::conditional_t<sizeof(T) == 2, std::conditional_t<std::is_signed_v<T>, i32, u32>,
                           std::conditional_t<std::is_signed_v<T>, i64, u64>>;
};
template <class T>
struct MulWide {
    using W = typename Wider<T>::type;
    static W f(T a, T b) { return W(a) * W(b); }
};
template <class T>
struct MadLo {
    static T f(T a, T b, T c) { return T(u64(a) * u64(b) + u64(c)); }
};
template <class T>
struct MadHi {
    static T f(T a, T b, T c) { return T(U<T>(MulHi<T>::f(a, b)) + U<T>(c)); }
};
template <class T>
struct MadWide {
    using W = typename Wider<T>::type;
    static W f(T a, T b, W c) {
        return W(std::make_unsigned_t<W>(W(a) * W(b)) + std::make_unsigned_t<W>(c));
    }
};
template <class T>
struct AddSat {
    static T f(T a, T b) {
        i64 r = i64(a) + i64(b);
        return T(std::clamp<i64>(r, INT32_MIN, INT32_MAX));
    }
};
template <class T>
struct SubSat {
    static T f(T a, T b) {
        i64 r = i64(a) - i64(b);
        return T(std::clamp<i64>(r, INT32_MIN, INT32_MAX));
    }
};
template <class T>
struct Div {
    static T f(T a, T b) {
        if (b == 0) return T(-1);
        if (std::is_signed_v<T> && b == T(-1)) return T(U<T>(0) - U<T>(a));
        return T(a / b);
    }
};
template <class T>
struct Rem {
    static T f(T a, T b) {
        if (b == 0) return a;
        if (std::is_signed_v<T> && b == T(-1)) return 0;
        return T(a % b);
    }
};
template <class T>
struct Min {
    static T f(T a, T b) { return a < b ? a : b; }
};
template <class T>
struct Max {
    static T f(T a, T b) { return a > b ? a : b; }
};
template <class T>
struct Abs {
    static T f(T a) { return a < 0 ? T(U<T>(0) - U<T>(a)) : a; }
};
template <class T>
struct Neg {
    static T f(T a) { return T(U<T>(0) - U<T>(a)); }
};
template <class T>
struct Sad {
    static T f(T a, T b, T c) {
        return T(U<T>(c) + (a > b ? U<T>(a) - U<T>(b) : U<T>(b) - U<T>(a)));
    }
};
template <class T>
struct And {
    static T f(T a, T b) { return a & b; }
};
template <class T>
struct Or {
    static T f(T a, T b) { return a | b; }
};
template <class T>
struct Xor {
    static T f(T a, T b) { return a ^ b; }
};
template <class T>
struct Not {
    static T f(T a) { return T(~a); }
};
template <class T>
struct Cnot {
    static T f(T a) { return a == 0 ? 1 : 0; }
};
template <class T>
struct Shl {
    static T f(T a, u32 b) { return b >= 8 * sizeof(T) ? T(0) : T(U<T>(a) << b); }
};
template <class T>
struct Shr {
    static T f(T a, u32 b) {
        constexpr u32 n = 8 * sizeof(T);
        if (b >= n) return std::is_signed_v<T> && a < 0 ? T(-1) : T(0);
        return T(a >> b);
    }
};
template <class T>
struct Popc {
    static u32 f(T a) { return u32(std::popcount(a)); }
};
template <class T>
struct Clz {
    static u32 f(T a) { return u32(std::countl_zero(a)); }
};
template <class T>
struct Brev {
    static T f(T a) {
        T r = 0;
        for (size_t i = 0; i < 8 * sizeof(T); i++) r = T(r << 1) | T((a >> i) & 1);
        return r;
    }
};
template <class T>
struct Bfind {
    static u32 f(T a) {
        U<T> v = U<T>(a);
        if (std::is_signed_v<T> && a < 0) v = U<T>(~v);
        return v ? u32(8 * sizeof(T) - 1 - size_t(std::countl_zero(v))) : ~0u;
    }
};
template <class T>
struct BfindShift {
    static u32 f(T a) {
        u32 r = Bfind<T>::f(a);
        return r == ~0u ? r : u32(8 * sizeof(T) - 1) - r;
    }
};
template <class T>
struct Bfe {
    static T f(T a, u32 b, u32 cc) {
        constexpr u32 n = 8 * sizeof(T);
        u32 pos = b & 0xff, len = cc & 0xff;
        if (len == 0) return 0;
        U<T> v = pos < n ? U<T>(U<T>(a) >> pos) : 0;
        bool sign = false;
        if (std::is_signed_v<T>) sign = U<T>(a) >> std::min(pos + len - 1, n - 1) & 1;
        u32 have = pos < n ? std::min(len, n - pos) : 0;
        U<T> mask = have >= n ? ~U<T>(0) : (U<T>(1) << have) - 1;
        v &= mask;
        if (sign) v |= ~mask;
        return T(v);
    }
};
template <class T>
struct Bmsk {
    static T f(T a, T b) {  // clamp mode
        if (a >= 32 || b == 0) return 0;
        T m = b >= 32 ? ~T(0) : (T(1) << b) - 1;
        return m << a;
    }
};
template <class T>
struct BmskWrap {
    static T f(T a, T b) {
        a &= 31;
        b &= 31;
        return ((T(1) << b) - 1) << a;
    }
};
struct Prmt {
    static u32 f(u32 a, u32 b, u32 s) {
        u64 v = u64(b) << 32 | a;
        u32 r = 0;
        for (int i = 0; i < 4; i++) {
            u32 sel = s >> (4 * i) & 15;
            u32 byte = u32(v >> (8 * (sel & 7))) & 0xff;
            if (sel & 8) byte = byte & 0x80 ? 0xff : 0;
            r |= byte << (8 * i);
        }
        return r;
    }
};
template <int M>
struct PrmtMode {
    static u32 f(u32 a, u32 b, u32 s) {
        u64 v = u64(b) << 32 | a;
        s &= 3;
        u32 r = 0;
        for (u32 i = 0; i < 4; i++) {
            u32 k;
            switch (M) {
                case 0: k = s + i; break;                   // f4e
                case 1: k = (s + 8 - i) & 7; break;         // b4e
                case 2: k = s; break;                       // rc8
                case 3: k = std::max(i, s); break;          // ecl
                case 4: k = std::min(i, s); break;          // ecr
                default: k = (s & 1) * 2 + (i & 1); break;  // rc16
            }
            r |= (u32(v >> (8 * k)) & 0xff) << (8 * i);
        }
        return r;
    }
};
struct ShfLClamp {
    static u32 f(u32 a, u32 b, u32 c) {
        u32 n = std::min(c, 32u);
        u64 v = u64(b) << 32 | a;
        return n == 32 ? a : u32((v << n) >> 32);
    }
};
struct ShfRClamp {
    static u32 f(u32 a, u32 b, u32 c) {
        u32 n = std::min(c, 32u);
        u64 v = u64(b) << 32 | a;
        return u32(v >> n);
    }
};
struct ShfLWrap {
    static u32 f(u32 a, u32 b, u32 c) {
        u64 v = u64(b) << 32 | a;
        return u32((v << (c & 31)) >> 32);
    }
};
struct ShfRWrap {
    static u32 f(u32 a, u32 b, u32 c) {
        u64 v = u64(b) << 32 | a;
        return u32(v >> (c & 31));
    }
};
template <class A, class B>
struct Dp4a {
    static i32 f(u32 a, u32 b, i32 c) {
        u32 r = u32(c);
        for (int i = 0; i < 4; i++) r += u32(i32(A(a >> (8 * i))) * i32(B(b >> (8 * i))));
        return i32(r);
    }
};
template <class A, class B, bool Hi>
struct Dp2a {
    static i32 f(u32 a, u32 b, i32 c) {
        u32 r = u32(c);
        for (int i = 0; i < 2; i++)
            r += u32(i32(A(a >> (16 * i))) * i32(B(b >> (8 * (i + 2 * Hi)))));
        return i32(r);
    }
};
template <class T>
struct Mul24Lo {
    static T f(T a, T b) {
        if constexpr (std::is_signed_v<T>) {
            i64 x = i64(i32(u32(a) << 8) >> 8), y = i64(i32(u32(b) << 8) >> 8);
            return T(x * y);
        } else
            return T(u64(a & 0xffffff) * u64(b & 0xffffff));
    }
};
template <class T>
struct Mad24Lo {
    static T f(T a, T b, T c) { return T(U<T>(Mul24Lo<T>::f(a, b)) + U<T>(c)); }
};
template <class T>
struct Mov {
    static T f(T a) { return a; }
};

template <class T>
struct Eq {
    static bool f(T a, T b) { return a == b; }
};
template <class T>
struct Ne {
    static bool f(T a, T b) { return a != b; }
};
template <class T>
struct Lt {
    static bool f(T a, T b) { return a < b; }
};
template <class T>
struct Le {
    static bool f(T a, T b) { return a <= b; }
};
template <class T>
struct Gt {
    static bool f(T a, T b) { return a > b; }
};
template <class T>
struct Ge {
    static bool f(T a, T b) { return a >= b; }
};

void exec_lop3(Ctx& c, const Inst& I) {
    u32* d = slot<u32>(c, I.o[0]);
    const u32 *a = slot<u32>(c, I.o[1]), *b = slot<u32>(c, I.o[2]), *e = slot<u32>(c, I.o[3]);
    u32 lut = u32(I.imm);
    alignas(64) u32 t[kWarp];
    u32 k[8];
    for (int j = 0; j < 8; j++) k[j] = (lut >> j & 1) ? kFull : 0;
    for (int i = 0; i < kWarp; i++) {
        u32 x = a[i], y = b[i], z = e[i];
        t[i] = (k[7] & x & y & z) | (k[6] & x & y & ~z) | (k[5] & x & ~y & z) |
               (k[4] & x & ~y & ~z) | (k[3] & ~x & y & z) | (k[2] & ~x & y & ~z) |
               (k[1] & ~x & ~y & z) | (k[0] & ~x & ~y & ~z);
    }
    store_masked(d, t, c.mask);
}

template <class S>
void exec_bfi(Ctx& c, const Inst& I) {
    S* d = slot<S>(c, I.o[0]);
    const S *a = slot<S>(c, I.o[1]), *b = slot<S>(c, I.o[2]);
    const u32 *p = slot<u32>(c, I.o[3]), *l = slot<u32>(c, I.o[4]);
    constexpr u32 n = 8 * sizeof(S);
    for_lanes(c.mask, [&](int i) {
        u32 pos = p[i] & 0xff, len = l[i] & 0xff;
        if (pos >= n || len == 0) {
            d[i] = b[i];
            return;
        }
        len = std::min(len, n - pos);
        S m = (len >= n ? ~S(0) : (S(1) << len) - 1) << pos;
        d[i] = (b[i] & ~m) | ((a[i] << pos) & m);
    });
}

void exec_fns(Ctx& c, const Inst& I) {
    u32* d = slot<u32>(c, I.o[0]);
    const u32 *m = slot<u32>(c, I.o[1]), *b = slot<u32>(c, I.o[2]);
    const i32* off = slot<i32>(c, I.o[3]);
    for_lanes(c.mask, [&](int i) {
        u32 r = ~0u;
        i32 o = off[i];
        if (o == 0) {
            if (m[i] >> (b[i] & 31) & 1) r = b[i];
        } else {
            i32 step = o > 0 ? 1 : -1, left = o > 0 ? o : -o;
            for (i32 k = i32(b[i]); k >= 0 && k < 32; k += step)
                if ((m[i] >> k & 1) && --left == 0) {
                    r = u32(k);
                    break;
                }
        }
        d[i] = r;
    });
}

// Extended precision: sub 0 add, 1 sub, 2 mad.lo, 3 mad.hi; flags bit0 uses carry, bit1 sets carry.
template <class T>
void exec_carry(Ctx& c, const Inst& I) {
    T* d = slot<T>(c, I.o[0]);
    const T *a = slot<T>(c, I.o[1]), *b = slot<T>(c, I.o[2]);
    const T* e = I.sub >= 2 ? slot<T>(c, I.o[3]) : nullptr;
    u32& cc = c.warp->cc;
    for_lanes(c.mask, [&](int i) {
        u128 r;
        u32 cin = (I.flags & 1) ? cc >> i & 1 : 0;
        if (I.sub == 0)
            r = u128(a[i]) + b[i] + cin;
        else if (I.sub == 1)
            r = u128(a[i]) - b[i] - cin;
        else {
            u128 p = u128(a[i]) * b[i];
            T q = I.sub == 2 ? T(p) : T(p >> (8 * sizeof(T)));
            r = u128(q) + e[i] + cin;
        }
        d[i] = T(r);
        if (I.flags & 2) {
            u32 cout = u32(r >> (8 * sizeof(T))) & 1;
            cc = (cc & ~(1u << i)) | cout << i;
        }
    });
}
template <bool Hi>
void exec_mad_carry_s32(Ctx& c, const Inst& I) {
    u32* d = slot<u32>(c, I.o[0]);
    const i32 *a = slot<i32>(c, I.o[1]), *b = slot<i32>(c, I.o[2]);
    const u32* e = slot<u32>(c, I.o[3]);
    u32& cc = c.warp->cc;
    for_lanes(c.mask, [&](int i) {
        i64 p = i64(a[i]) * b[i];
        u32 q = Hi ? u32(u64(p) >> 32) : u32(p);
        u64 r = u64(q) + e[i] + ((I.flags & 1) ? cc >> i & 1 : 0);
        d[i] = u32(r);
        if (I.flags & 2) cc = (cc & ~(1u << i)) | u32(r >> 32 & 1) << i;
    });
}

template <class S>
void exec_selp(Ctx& c, const Inst& I) {
    S* d = slot<S>(c, I.o[0]);
    const S *a = slot<S>(c, I.o[1]), *b = slot<S>(c, I.o[2]);
    u32 p = pred(c, I.o[3]);
    alignas(64) S t[kWarp];
    for (int i = 0; i < kWarp; i++) t[i] = (p >> i & 1) ? a[i] : b[i];
    store_masked(d, t, c.mask);
}
template <class S, bool F>
void exec_slct(Ctx& c, const Inst& I) {
    S* d = slot<S>(c, I.o[0]);
    const S *a = slot<S>(c, I.o[1]), *b = slot<S>(c, I.o[2]);
    const u32* s = slot<u32>(c, I.o[3]);
    for_lanes(c.mask, [&](int i) {
        bool ge = F ? std::bit_cast<float>(s[i]) >= 0 : i32(s[i]) >= 0;
        d[i] = ge ? a[i] : b[i];
    });
}

// Predicate logic: sub 0 and, 1 or, 2 xor, 3 not, 4 mov
void exec_pred_op(Ctx& c, const Inst& I) {
    u32 a = pred(c, I.o[1]), b = I.sub < 3 ? pred(c, I.o[2]) : 0;
    u32 r = I.sub == 0 ? a & b : I.sub == 1 ? a | b : I.sub == 2 ? a ^ b : I.sub == 3 ? ~a : a;
    set_pred(c, I.o[0], r);
}
void exec_sreg(Ctx& c, const Inst& I) {
    u64 v = dynamic_sreg(c, SR(I.sub));
    if (I.esz == 8) {
        u64* d = slot<u64>(c, I.o[0]);
        for_lanes(c.mask, [&](int i) { d[i] = v; });
    } else {
        u32* d = slot<u32>(c, I.o[0]);
        for_lanes(c.mask, [&](int i) { d[i] = u32(v); });
    }
}
void exec_local_addr(Ctx& c, const Inst& I) {
    u64* d = slot<u64>(c, I.o[0]);
    const u64* b = slot<u64>(c, I.o[1]);
    for_lanes(c.mask, [&](int i) { d[i] = b[i] + u64(I.imm); });
}
// mov.bN {..}, s  and  mov.bN d, {..}
template <class S, int N>
void exec_unpack(Ctx& c, const Inst& I) {
    const S* a = slot<S>(c, I.o[4]);
    constexpr int bits = int(8 * sizeof(S)) / N;
    S v[kWarp];
    for (int i = 0; i < kWarp; i++) v[i] = a[i];
    for (int k = 0; k < N; k++) {
        if (I.o[k] == kNoSlot) continue;
        u32* d = slot<u32>(c, I.o[k]);
        for_lanes(c.mask, [&](int i) {
            d[i] = u32(bits == 32 ? u64(v[i]) >> (k * 32)
                                  : (u64(v[i]) >> (k * bits)) & ((1ull << bits) - 1));
        });
    }
}
template <class S, int N>
void exec_pack(Ctx& c, const Inst& I) {
    constexpr int bits = int(8 * sizeof(S)) / N;
    S t[kWarp] = {};
    for (int k = 0; k < N; k++) {
        const u32* a = slot<u32>(c, I.o[1 + k]);
        for (int i = 0; i < kWarp; i++)
            t[i] |= S(bits == 32 ? u64(a[i]) : u64(a[i]) & ((1ull << bits) - 1)) << (k * bits);
    }
    store_masked(slot<S>(c, I.o[0]), t, c.mask);
}
void exec_unpack128(Ctx& c, const Inst& I) {  // mov.b128 {lo, hi}, s
    const u64* a = slot<u64>(c, I.o[4]);
    u64 *lo = slot<u64>(c, I.o[0]), *hi = slot<u64>(c, I.o[1]);
    for_lanes(c.mask, [&](int i) {
        u64 l = a[i], h = a[i + kWarp];
        lo[i] = l;
        hi[i] = h;
    });
}
void exec_pack128(Ctx& c, const Inst& I) {
    u64* d = slot<u64>(c, I.o[0]);
    const u64 *lo = slot<u64>(c, I.o[1]), *hi = slot<u64>(c, I.o[2]);
    for_lanes(c.mask, [&](int i) {
        u64 l = lo[i], h = hi[i];
        d[i] = l;
        d[i + kWarp] = h;
    });
}
void exec_mov128(Ctx& c, const Inst& I) {
    u64* d = slot<u64>(c, I.o[0]);
    const u64* a = slot<u64>(c, I.o[1]);
    for_lanes(c.mask, [&](int i) {
        d[i] = a[i];
        d[i + kWarp] = a[i + kWarp];
    });
}

// ---- type selection ---------------------------------------------------------------------------

template <template <class> class F>
ExecFn bin_su(Ty t) {
    switch (t) {
        case Ty::U8:
        case Ty::B8: return exec_bin<u8, u8, u8, F<u8>>;
        case Ty::S8: return exec_bin<i8, i8, i8, F<i8>>;
        case Ty::U16:
        case Ty::B16: return exec_bin<u16, u16, u16, F<u16>>;
        case Ty::S16: return exec_bin<i16, i16, i16, F<i16>>;
        case Ty::U32:
        case Ty::B32: return exec_bin<u32, u32, u32, F<u32>>;
        case Ty::S32: return exec_bin<i32, i32, i32, F<i32>>;
        case Ty::U64:
        case Ty::B64: return exec_bin<u64, u64, u64, F<u64>>;
        case Ty::S64: return exec_bin<i64, i64, i64, F<i64>>;
        default: return nullptr;
    }
}
template <template <class> class F>
ExecFn un_su(Ty t) {
    switch (t) {
        case Ty::U16:
        case Ty::B16: return exec_un<u16, u16, F<u16>>;
        case Ty::S16: return exec_un<i16, i16, F<i16>>;
        case Ty::U32:
        case Ty::B32: return exec_un<u32, u32, F<u32>>;
        case Ty::S32: return exec_un<i32, i32, F<i32>>;
        case Ty::U64:
        case Ty::B64: return exec_un<u64, u64, F<u64>>;
        case Ty::S64: return exec_un<i64, i64, F<i64>>;
        default: return nullptr;
    }
}
template <template <class> class F>
ExecFn un_s(Ty t) {
    switch (t) {
        case Ty::S16: return exec_un<i16, i16, F<i16>>;
        case Ty::S32: return exec_un<i32, i32, F<i32>>;
        case Ty::S64: return exec_un<i64, i64, F<i64>>;
        default: return nullptr;
    }
}
template <template <class> class F>
ExecFn ter_su(Ty t) {
    switch (t) {
        case Ty::U16: return exec_ter<u16, u16, u16, u16, F<u16>>;
        case Ty::S16: return exec_ter<i16, i16, i16, i16, F<i16>>;
        case Ty::U32:
        case Ty::B32: return exec_ter<u32, u32, u32, u32, F<u32>>;
        case Ty::S32: return exec_ter<i32, i32, i32, i32, F<i32>>;
        case Ty::U64: return exec_ter<u64, u64, u64, u64, F<u64>>;
        case Ty::S64: return exec_ter<i64, i64, i64, i64, F<i64>>;
        default: return nullptr;
    }
}
template <template <class> class F>
ExecFn shift(Ty t) {
    switch (t) {
        case Ty::U16:
        case Ty::B16: return exec_bin<u16, u16, u32, F<u16>>;
        case Ty::S16: return exec_bin<i16, i16, u32, F<i16>>;
        case Ty::U32:
        case Ty::B32: return exec_bin<u32, u32, u32, F<u32>>;
        case Ty::S32: return exec_bin<i32, i32, u32, F<i32>>;
        case Ty::U64:
        case Ty::B64: return exec_bin<u64, u64, u32, F<u64>>;
        case Ty::S64: return exec_bin<i64, i64, u32, F<i64>>;
        default: return nullptr;
    }
}
template <template <class> class F>
ExecFn to_u32(Ty t) {
    switch (t) {
        case Ty::B32:
        case Ty::U32: return exec_un<u32, u32, F<u32>>;
        case Ty::S32:
            if constexpr (requires { F<i32>::f(i32{}); })
                return exec_un<u32, i32, F<i32>>;
            else
                return nullptr;
        case Ty::B64:
        case Ty::U64: return exec_un<u32, u64, F<u64>>;
        case Ty::S64:
            if constexpr (requires { F<i64>::f(i64{}); })
                return exec_un<u32, i64, F<i64>>;
            else
                return nullptr;
        default: return nullptr;
    }
}
template <class T, bool Set>
ExecFn cmp_for(const std::string& p) {
#define CMP(name, F) \
    if (p == name) return Set ? (ExecFn)exec_set<T, F<T>> : (ExecFn)exec_setp<T, F<T>>;
    CMP("eq", Eq)
    CMP("ne", Ne) CMP("lt", Lt) CMP("le", Le) CMP("gt", Gt) CMP("ge", Ge) CMP("lo", Lt)
        CMP("ls", Le) CMP("hi", Gt) CMP("hs", Ge)
#undef CMP
            return nullptr;
}
template <bool Set>
ExecFn cmp_type(const std::string& p, Ty t) {
    switch (t) {
        case Ty::B16:
        case Ty::U16: return cmp_for<u16, Set>(p);
        case Ty::S16: return cmp_for<i16, Set>(p);
        case Ty::B32:
        case Ty::U32: return cmp_for<u32, Set>(p);
        case Ty::S32: return cmp_for<i32, Set>(p);
        case Ty::B64:
        case Ty::U64: return cmp_for<u64, Set>(p);
        case Ty::S64: return cmp_for<i64, Set>(p);
        default: return nullptr;
    }
}

bool decode_mov(Decoder& d, const ptx::Instr& in, Inst& I, Ty t) {
    const Operand &dst = in.ops[0], &src = in.ops[1];
    if (t == Ty::Pred) {
        I.fn = exec_pred_op;
        I.sub = 4;
        I.o[0] = d.pred_dst(dst);
        I.o[1] = d.pred_src(src);
        return true;
    }
    int w = ptx::type_size(t);
    if (dst.kind == Operand::Vec) {  // unpack
        size_t n = dst.elems.size();
        for (size_t k = 0; k < n && k < 4; k++)
            I.o[k] = dst.elems[k].kind == Operand::Sink ? kNoSlot : d.dst(dst.elems[k]);
        if (w == 16) {
            for (int k = 0; k < 2; k++)
                if (I.o[k] == kNoSlot) I.o[k] = d.scratch(8);
            I.o[4] = d.src_w(src, 8);
            I.fn = exec_unpack128;
            return true;
        }
        I.o[4] = d.src_w(src, w <= 4 ? 4 : 8);
        I.fn = w == 8   ? (n == 2 ? (ExecFn)exec_unpack<u64, 2> : (ExecFn)exec_unpack<u64, 4>)
               : w == 4 ? (n == 2 ? (ExecFn)exec_unpack<u32, 2> : (ExecFn)exec_unpack<u32, 4>)
                        : nullptr;
        if (w == 2) {  // mov.b16 {b8, b8}
            I.fn = nullptr;
        }
        return I.fn != nullptr;
    }
    if (src.kind == Operand::Vec) {  // pack
        size_t n = src.elems.size();
        I.o[0] = d.dst(dst);
        if (w == 16) {
            I.o[1] = d.src_w(src.elems[0], 8);
            I.o[2] = d.src_w(src.elems[1], 8);
            I.fn = exec_pack128;
            return true;
        }
        for (size_t k = 0; k < n && k < 4; k++) I.o[1 + k] = d.src_w(src.elems[k], 4);
        I.fn = w == 8   ? (n == 2 ? (ExecFn)exec_pack<u64, 2> : (ExecFn)exec_pack<u64, 4>)
               : w == 4 ? (n == 2 ? (ExecFn)exec_pack<u32, 2> : (ExecFn)exec_pack<u32, 4>)
                        : nullptr;
        return I.fn != nullptr;
    }
    I.o[0] = d.dst(dst);
    if (src.kind == Operand::SReg) {
        SR id = parse_sreg(src.name);
        if (sreg_dynamic(id)) {
            I.fn = exec_sreg;
            I.sub = u8(id);
            I.esz = w == 8 ? 8 : 4;
            return true;
        }
        I.o[1] = d.sreg_slot(src.name);
        int sw = sreg_width(id);
        if (sw == w || w < 4)
            I.fn =
                w == 8 ? (ExecFn)exec_un<u64, u64, Mov<u64>> : (ExecFn)exec_un<u32, u32, Mov<u32>>;
        else
            I.fn =
                w == 8 ? (ExecFn)exec_un<u64, u32, Mov<u64>> : (ExecFn)exec_un<u32, u64, Mov<u64>>;
        return true;
    }
    if (src.kind == Operand::Sym) {
        if (src.var->space == ptx::Space::Param) return false;
        if (src.var->space == ptx::Space::Local && !d.function().entry) {
            I.fn = exec_local_addr;
            I.imm = i64(d.var_address(src.var)) + src.imm;
            I.o[1] = d.sreg_slot("%local_base");
            return true;
        }
    }
    if (src.kind == Operand::Label) {  // address of a function
        auto& funcs = d.module().mod->funcs;
        for (size_t i = 0; i < funcs.size(); i++)
            if (funcs[i]->name == src.name && funcs[i]->has_body) {
                I.o[1] = d.const64(kFuncTag | i);
                I.fn = exec_un<u64, u64, Mov<u64>>;
                return true;
            }
        d.unsupported(in, "unknown symbol");
    }
    if (w == 16) {
        I.o[1] = d.src_w(src, 8);
        I.fn = exec_mov128;
        return true;
    }
    I.o[1] = d.src(src, t);
    I.fn = w == 8 ? (ExecFn)exec_un<u64, u64, Mov<u64>> : (ExecFn)exec_un<u32, u32, Mov<u32>>;
    return true;
}

}  // namespace

bool decode_compare_operands(Decoder& d, const ptx::Instr& in, Inst& I, Ty t) {
    bool set = in.parts[0] == "set";
    const Operand& dst = in.ops[0];
    if (set) {
        I.o[0] = d.dst(dst);
    } else if (dst.kind == Operand::List) {
        I.o[0] = d.pred_dst(dst.elems[0]);
        I.o[1] = d.pred_dst(dst.elems[1]);
    } else {
        I.o[0] = d.pred_dst(dst);
    }
    I.o[2] = d.src(in.ops[1], t);
    I.o[3] = d.src(in.ops[2], t);
    if (in.ops.size() > 3) {
        I.o[4] = d.pred_src(in.ops[3]);
        I.sub = in.has("and") ? 1 : in.has("or") ? 2 : 3;
    }
    return true;
}

bool decode_int(Decoder& d, const ptx::Instr& in, Inst& I) {
    const std::string& op = in.parts[0];
    Ty t = ptx::parse_type(in.parts.back());
    auto simple = [&](ExecFn fn, std::initializer_list<int> widths_after_dst) {
        if (!fn) return false;
        I.fn = fn;
        I.o[0] = d.dst(in.ops[0]);
        int k = 1;
        for (int w : widths_after_dst) {
            I.o[k] = d.src_w(in.ops[size_t(k)], w);
            k++;
        }
        return true;
    };
    if (op == "mov") return decode_mov(d, in, I, t);
    if (t == Ty::Pred) {
        int k = op == "and" ? 0 : op == "or" ? 1 : op == "xor" ? 2 : op == "not" ? 3 : -1;
        if (k < 0) return false;
        I.fn = exec_pred_op;
        I.sub = u8(k);
        I.o[0] = d.pred_dst(in.ops[0]);
        I.o[1] = d.pred_src(in.ops[1]);
        if (k < 3) I.o[2] = d.pred_src(in.ops[2]);
        return true;
    }
    if (op == "selp") {
        int w = ptx::type_size(t) == 8 ? 8 : 4;
        I.fn = w == 8 ? (ExecFn)exec_selp<u64> : (ExecFn)exec_selp<u32>;
        I.o[0] = d.dst(in.ops[0]);
        I.o[1] = d.src(in.ops[1], t);
        I.o[2] = d.src(in.ops[2], t);
        I.o[3] = d.pred_src(in.ops[3]);
        return true;
    }
    if (op == "slct") {
        Ty dt = ptx::parse_type(in.parts[in.parts.size() - 2]);
        bool wide = ptx::type_size(dt) == 8, f = t == Ty::F32;
        I.fn = wide ? (f ? (ExecFn)exec_slct<u64, true> : (ExecFn)exec_slct<u64, false>)
                    : (f ? (ExecFn)exec_slct<u32, true> : (ExecFn)exec_slct<u32, false>);
        I.o[0] = d.dst(in.ops[0]);
        I.o[1] = d.src(in.ops[1], dt);
        I.o[2] = d.src(in.ops[2], dt);
        I.o[3] = d.src(in.ops[3], t);
        return true;
    }
    if (!is_int_type(t)) return false;
    int w = ptx::type_size(t) == 8 ? 8 : 4;
    if ((op == "add" || op == "sub" || op == "mad" || op == "addc" || op == "subc" ||
         op == "madc") &&
        (in.has("cc") || op.back() == 'c')) {
        I.sub = op.substr(0, 3) == "add" ? 0 : op.substr(0, 3) == "sub" ? 1 : in.has("hi") ? 3 : 2;
        I.flags = u16((op.back() == 'c' ? 1 : 0) | (in.has("cc") ? 2 : 0));
        ExecFn fn = w == 8 ? (ExecFn)exec_carry<u64> : (ExecFn)exec_carry<u32>;
        if (I.sub >= 2 && t == Ty::S32)
            fn = I.sub == 3 ? (ExecFn)exec_mad_carry_s32<true> : (ExecFn)exec_mad_carry_s32<false>;
        if (I.sub >= 2) return simple(fn, {w, w, w});
        return simple(fn, {w, w});
    }
    if (op == "add")
        return simple(in.has("sat") ? (ExecFn)exec_bin<i32, i32, i32, AddSat<i32>> : bin_su<Add>(t),
                      {w, w});
    if (op == "sub")
        return simple(in.has("sat") ? (ExecFn)exec_bin<i32, i32, i32, SubSat<i32>> : bin_su<Sub>(t),
                      {w, w});
    if (op == "mul") {
        if (in.has("wide")) {
            ExecFn fn = t == Ty::U16   ? (ExecFn)exec_bin<u32, u16, u16, MulWide<u16>>
                        : t == Ty::S16 ? (ExecFn)exec_bin<i32, i16, i16, MulWide<i16>>
                        : t == Ty::U32 ? (ExecFn)exec_bin<u64, u32, u32, MulWide<u32>>
                        : t == Ty::S32 ? (ExecFn)exec_bin<i64, i32, i32, MulWide<i32>>
                                       : nullptr;
            return simple(fn, {4, 4});
        }
        return simple(in.has("hi") ? bin_su<MulHi>(t) : bin_su<MulLo>(t), {w, w});
    }
    if (op == "mad") {
        if (in.has("wide")) {
            ExecFn fn = t == Ty::U16   ? (ExecFn)exec_ter<u32, u16, u16, u32, MadWide<u16>>
                        : t == Ty::S16 ? (ExecFn)exec_ter<i32, i16, i16, i32, MadWide<i16>>
                        : t == Ty::U32 ? (ExecFn)exec_ter<u64, u32, u32, u64, MadWide<u32>>
                        : t == Ty::S32 ? (ExecFn)exec_ter<i64, i32, i32, i64, MadWide<i32>>
                                       : nullptr;
            return simple(fn, {4, 4, ptx::type_size(t) == 4 ? 8 : 4});
        }
        return simple(in.has("hi") ? ter_su<MadHi>(t) : ter_su<MadLo>(t), {w, w, w});
    }
    if (op == "mul24" && in.has("lo"))
        return simple(t == Ty::S32 ? (ExecFn)exec_bin<i32, i32, i32, Mul24Lo<i32>>
                                   : (ExecFn)exec_bin<u32, u32, u32, Mul24Lo<u32>>,
                      {4, 4});
    if (op == "mad24" && in.has("lo"))
        return simple(t == Ty::S32 ? (ExecFn)exec_ter<i32, i32, i32, i32, Mad24Lo<i32>>
                                   : (ExecFn)exec_ter<u32, u32, u32, u32, Mad24Lo<u32>>,
                      {4, 4, 4});
    if (op == "sad") return simple(ter_su<Sad>(t), {w, w, w});
    if (op == "div") return simple(bin_su<Div>(t), {w, w});
    if (op == "rem") return simple(bin_su<Rem>(t), {w, w});
    if (op == "min") return simple(in.has("relu") ? nullptr : bin_su<Min>(t), {w, w});
    if (op == "max") return simple(in.has("relu") ? nullptr : bin_su<Max>(t), {w, w});
    if (op == "abs") return simple(un_s<Abs>(t), {w});
    if (op == "neg") return simple(un_s<Neg>(t), {w});
    if (op == "and") return simple(bin_su<And>(t), {w, w});
    if (op == "or") return simple(bin_su<Or>(t), {w, w});
    if (op == "xor") return simple(bin_su<Xor>(t), {w, w});
    if (op == "not") return simple(un_su<Not>(t), {w});
    if (op == "cnot") return simple(un_su<Cnot>(t), {w});
    if (op == "shl") return simple(shift<Shl>(t), {w, 4});
    if (op == "shr") return simple(shift<Shr>(t), {w, 4});
    if (op == "popc")
        return simple(
            w == 8 ? (ExecFn)exec_un<u32, u64, Popc<u64>> : (ExecFn)exec_un<u32, u32, Popc<u32>>,
            {w});
    if (op == "clz")
        return simple(
            w == 8 ? (ExecFn)exec_un<u32, u64, Clz<u64>> : (ExecFn)exec_un<u32, u32, Clz<u32>>,
            {w});
    if (op == "brev")
        return simple(
            w == 8 ? (ExecFn)exec_un<u64, u64, Brev<u64>> : (ExecFn)exec_un<u32, u32, Brev<u32>>,
            {w});
    if (op == "bfind")
        return simple(in.has("shiftamt") ? to_u32<BfindShift>(t) : to_u32<Bfind>(t), {w});
    if (op == "bfe") {
        ExecFn fn = t == Ty::U32   ? (ExecFn)exec_ter<u32, u32, u32, u32, Bfe<u32>>
                    : t == Ty::S32 ? (ExecFn)exec_ter<i32, i32, u32, u32, Bfe<i32>>
                    : t == Ty::U64 ? (ExecFn)exec_ter<u64, u64, u32, u32, Bfe<u64>>
                                   : (ExecFn)exec_ter<i64, i64, u32, u32, Bfe<i64>>;
        return simple(fn, {w, 4, 4});
    }
    if (op == "bfi") {
        I.fn = w == 8 ? (ExecFn)exec_bfi<u64> : (ExecFn)exec_bfi<u32>;
        I.o[0] = d.dst(in.ops[0]);
        I.o[1] = d.src_w(in.ops[1], w);
        I.o[2] = d.src_w(in.ops[2], w);
        I.o[3] = d.src_w(in.ops[3], 4);
        I.o[4] = d.src_w(in.ops[4], 4);
        return true;
    }
    if (op == "bmsk")
        return simple(in.has("wrap") ? (ExecFn)exec_bin<u32, u32, u32, BmskWrap<u32>>
                                     : (ExecFn)exec_bin<u32, u32, u32, Bmsk<u32>>,
                      {4, 4});
    if (op == "fns") return simple(exec_fns, {4, 4, 4});
    if (op == "prmt") {
        static const char* modes[] = {"f4e", "b4e", "rc8", "ecl", "ecr", "rc16"};
        static const ExecFn fns[] = {
            exec_ter<u32, u32, u32, u32, PrmtMode<0>>, exec_ter<u32, u32, u32, u32, PrmtMode<1>>,
            exec_ter<u32, u32, u32, u32, PrmtMode<2>>, exec_ter<u32, u32, u32, u32, PrmtMode<3>>,
            exec_ter<u32, u32, u32, u32, PrmtMode<4>>, exec_ter<u32, u32, u32, u32, PrmtMode<5>>};
        for (int m = 0; m < 6; m++)
            if (in.has(modes[m])) return simple(fns[m], {4, 4, 4});
        return simple(exec_ter<u32, u32, u32, u32, Prmt>, {4, 4, 4});
    }
    if (op == "shf") {
        bool l = in.parts[1] == "l", wrap = in.has("wrap");
        ExecFn fn = l ? (wrap ? (ExecFn)exec_ter<u32, u32, u32, u32, ShfLWrap>
                              : (ExecFn)exec_ter<u32, u32, u32, u32, ShfLClamp>)
                      : (wrap ? (ExecFn)exec_ter<u32, u32, u32, u32, ShfRWrap>
                              : (ExecFn)exec_ter<u32, u32, u32, u32, ShfRClamp>);
        return simple(fn, {4, 4, 4});
    }
    if (op == "lop3") {
        if (in.ops.size() != 5) return false;
        I.imm = in.ops[4].imm;
        return simple(exec_lop3, {4, 4, 4});
    }
    if (op == "dp4a") {
        bool as = in.parts[in.parts.size() - 2] == "s32", bs = t == Ty::S32;
        ExecFn fn = as ? (bs ? (ExecFn)exec_ter<i32, u32, u32, i32, Dp4a<i8, i8>>
                             : (ExecFn)exec_ter<i32, u32, u32, i32, Dp4a<i8, u8>>)
                       : (bs ? (ExecFn)exec_ter<i32, u32, u32, i32, Dp4a<u8, i8>>
                             : (ExecFn)exec_ter<i32, u32, u32, i32, Dp4a<u8, u8>>);
        return simple(fn, {4, 4, 4});
    }
    if (op == "dp2a") {
        bool hi = in.has("hi"), as = in.parts[in.parts.size() - 2] == "s32", bs = t == Ty::S32;
        ExecFn fn;
#define D2(A, B)                                                 \
    (hi ? (ExecFn)exec_ter<i32, u32, u32, i32, Dp2a<A, B, true>> \
        : (ExecFn)exec_ter<i32, u32, u32, i32, Dp2a<A, B, false>>)
        fn = as ? (bs ? D2(i16, i8) : D2(i16, u8)) : (bs ? D2(u16, i8) : D2(u16, u8));
#undef D2
        return simple(fn, {4, 4, 4});
    }
    if (op == "setp" || op == "set") {
        I.fn = op == "set" ? cmp_type<true>(in.parts[1], t) : cmp_type<false>(in.parts[1], t);
        if (!I.fn) return false;
        if (op == "set") I.imm = in.parts[in.parts.size() - 2] == "f32" ? 0x3f800000 : 0xffffffff;
        return decode_compare_operands(d, in, I, t);
    }
    return false;
}

}  // namespace emu
