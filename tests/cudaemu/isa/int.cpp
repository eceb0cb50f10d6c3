// Integer arithmetic, logic, shifts, bit fields.
#include "tests/cudaemu/isa/alu.h"

namespace fovea::cudaemu {

using ptx::Operand;
using ptx::Type;

namespace {

template <class T>
using U = std::make_unsigned_t<T>;
template <class T>
constexpr u32 kBits = 8 * sizeof(T);
template <class T>
using Wider = std::conditional_t<
    sizeof(T) == 2, std::conditional_t<std::is_signed_v<T>, i32, u32>,
    std::conditional_t<sizeof(T) == 4, std::conditional_t<std::is_signed_v<T>, i64, u64>,
                       std::conditional_t<std::is_signed_v<T>, i128, u128>>>;

// ---- arithmetic: it wraps around ----------------------------------------------------------------

#define UNARY(name, expression) \
    struct name {               \
        template <class T>      \
        static T f(T a) {       \
            return expression;  \
        }                       \
    };
#define BINARY(name, expression) \
    struct name {                \
        template <class T>       \
        static T f(T a, T b) {   \
            return expression;   \
        }                        \
    };
#define TERNARY(name, expression)   \
    struct name {                   \
        template <class T>          \
        static T f(T a, T b, T c) { \
            return expression;      \
        }                           \
    };

BINARY(Add, T(U<T>(a) + U<T>(b)))
BINARY(Sub, T(U<T>(a) - U<T>(b)))
BINARY(MulLo, T(u64(a) * u64(b)))
BINARY(MulHi, T((Wider<T>(a) * Wider<T>(b)) >> kBits<T>))
BINARY(Min, a < b ? a : b)
BINARY(Max, a > b ? a : b)
UNARY(Abs, a < 0 ? T(U<T>(0) - U<T>(a)) : a)
UNARY(Neg, T(U<T>(0) - U<T>(a)))
TERNARY(MadLo, T(u64(a) * u64(b) + u64(c)))
TERNARY(MadHi, T(U<T>(MulHi::f(a, b)) + U<T>(c)))
TERNARY(Sad, T(U<T>(c) + (a > b ? U<T>(a) - U<T>(b) : U<T>(b) - U<T>(a))))

BINARY(And, T(a& b))
BINARY(Or, T(a | b))
BINARY(Xor, T(a ^ b))
UNARY(Not, T(~a))
UNARY(Cnot, T(a == 0))

i32 saturated(i64 v) { return i32(std::clamp<i64>(v, INT32_MIN, INT32_MAX)); }
struct AddSat {
    static i32 f(i32 a, i32 b) { return saturated(i64(a) + b); }
};
struct SubSat {
    static i32 f(i32 a, i32 b) { return saturated(i64(a) - b); }
};

struct Div {
    template <class T>
    static T f(T a, T b) {
        if (b == 0) return T(-1);
        if (std::is_signed_v<T> && b == T(-1)) return Neg::f(a);
        return T(a / b);
    }
};
struct Rem {
    template <class T>
    static T f(T a, T b) {
        if (b == 0) return a;
        if (std::is_signed_v<T> && b == T(-1)) return 0;
        return T(a % b);
    }
};

struct MulWide {
    template <class T>
    static Wider<T> f(T a, T b) {
        return Wider<T>(a) * Wider<T>(b);
    }
};
struct MadWide {
    template <class T>
    static Wider<T> f(T a, T b, Wider<T> c) {
        return Add::f(MulWide::f(a, b), c);
    }
};

struct Mul24Lo {
    static i32 low24(i32 a) { return i32(u32(a) << 8) >> 8; }
    static u32 low24(u32 a) { return a & 0xffffff; }
    template <class T>
    static T f(T a, T b) {
        return MulLo::f(low24(a), low24(b));
    }
};
TERNARY(Mad24Lo, Add::f(Mul24Lo::f(a, b), c))

template <class A, class B>
struct Dp4a {
    static i32 f(u32 a, u32 b, i32 c) {
        u32 r = u32(c);
        for (int i = 0; i < 4; i++) r += u32(i32(A(a >> (8 * i))) * i32(B(b >> (8 * i))));
        return i32(r);
    }
};
template <class A, class B, int Half>
struct Dp2a {
    static i32 f(u32 a, u32 b, i32 c) {
        u32 r = u32(c);
        for (int i = 0; i < 2; i++)
            r += u32(i32(A(a >> (16 * i))) * i32(B(b >> (8 * (i + 2 * Half)))));
        return i32(r);
    }
};

// ---- shifts and bits ----------------------------------------------------------------------------

struct Shl {
    template <class T>
    static T f(T a, u32 n) {
        return n >= kBits<T> ? T(0) : T(U<T>(a) << n);
    }
};
struct Shr {
    template <class T>
    static T f(T a, u32 n) {
        return T(a >> std::min(n, kBits<T> - 1) >> (n >= kBits<T>));
    }
};

u64 pair(u32 low, u32 high) { return u64(high) << 32 | low; }
struct ShfLeftClamp {
    static u32 f(u32 a, u32 b, u32 n) { return n >= 32 ? a : u32(pair(a, b) << n >> 32); }
};
struct ShfRightClamp {
    static u32 f(u32 a, u32 b, u32 n) { return u32(pair(a, b) >> std::min(n, 32u)); }
};
struct ShfLeftWrap {
    static u32 f(u32 a, u32 b, u32 n) { return u32(pair(a, b) << (n & 31) >> 32); }
};
struct ShfRightWrap {
    static u32 f(u32 a, u32 b, u32 n) { return u32(pair(a, b) >> (n & 31)); }
};

struct Popc {
    template <class T>
    static u32 f(T a) {
        return u32(std::popcount(U<T>(a)));
    }
};
struct Clz {
    template <class T>
    static u32 f(T a) {
        return u32(std::countl_zero(U<T>(a)));
    }
};
struct Brev {
    template <class T>
    static T f(T a) {
        T r = 0;
        for (u32 i = 0; i < kBits<T>; i++) r = T(r << 1) | T((a >> i) & 1);
        return r;
    }
};

constexpr u32 kNotFound = ~0u;
struct Bfind {  // the highest bit that is not a copy of the sign
    template <class T>
    static u32 f(T a) {
        const U<T> v = std::is_signed_v<T> && a < 0 ? U<T>(~a) : U<T>(a);
        return v ? kBits<T> - 1 - Clz::f(v) : kNotFound;
    }
};
struct BfindShift {
    template <class T>
    static u32 f(T a) {
        const u32 r = Bfind::f(a);
        return r == kNotFound ? r : kBits<T> - 1 - r;
    }
};

template <class T>
U<T> low_bits(u32 n) {
    return n >= kBits<T> ? ~U<T>(0) : U<T>((U<T>(1) << n) - 1);
}

struct Bfe {
    template <class T>
    static T f(T a, u32 position, u32 length) {
        constexpr u32 n = kBits<T>;
        const u32 pos = position & 0xff, len = length & 0xff;
        if (len == 0) return 0;
        const U<T> mask = low_bits<T>(pos < n ? std::min(len, n - pos) : 0);
        const U<T> field = pos < n ? U<T>(U<T>(a) >> pos) & mask : 0;
        // The sign is the field's top bit, or that of `a` if the field reaches beyond it.
        const bool sign = std::is_signed_v<T> && (U<T>(a) >> std::min(pos + len - 1, n - 1) & 1);
        return T(sign ? field | ~mask : field);
    }
};

template <class T>
void exec_bfi(Context& c, const Instruction& I) {
    T* d = slot<T>(c, I.o[0]);
    const T *a = slot<T>(c, I.o[1]), *b = slot<T>(c, I.o[2]);
    const u32 *position = slot<u32>(c, I.o[3]), *length = slot<u32>(c, I.o[4]);
    for_lanes(c.mask, [&](int i) {
        const u32 pos = position[i] & 0xff, len = length[i] & 0xff;
        if (pos >= kBits<T>) {
            d[i] = b[i];
            return;
        }
        const T mask = T(low_bits<T>(std::min(len, kBits<T> - pos)) << pos);
        d[i] = (b[i] & ~mask) | (T(a[i] << pos) & mask);
    });
}

struct BmskClamp {
    static u32 f(u32 a, u32 b) { return a >= 32 ? 0 : low_bits<u32>(b) << a; }
};
struct BmskWrap {
    static u32 f(u32 a, u32 b) { return low_bits<u32>(b & 31) << (a & 31); }
};

// The n-th set bit from a base, upwards or downwards.
struct Fns {
    static u32 f(u32 mask, u32 base, i32 n) {
        if (n == 0) return mask >> (base & 31) & 1 ? base : kNotFound;
        const i32 step = n > 0 ? 1 : -1;
        for (i32 k = i32(base), left = n * step; k >= 0 && k < 32; k += step)
            if ((mask >> k & 1) && --left == 0) return u32(k);
        return kNotFound;
    }
};

u32 byte_of(u64 v, u32 k) { return u32(v >> (8 * k)) & 0xff; }
struct Prmt {
    static u32 f(u32 a, u32 b, u32 selector) {
        u32 r = 0;
        for (u32 i = 0; i < 4; i++) {
            const u32 s = selector >> (4 * i) & 15;
            u32 byte = byte_of(pair(a, b), s & 7);
            if (s & 8) byte = byte & 0x80 ? 0xff : 0;  // its sign, eight times
            r |= byte << (8 * i);
        }
        return r;
    }
};
const char* const kPrmtModes[] = {"f4e", "b4e", "rc8", "ecl", "ecr", "rc16"};
template <int Mode>
struct PrmtMode {
    static u32 source(u32 s, u32 i) {
        switch (Mode) {
            case 0: return s + i;                   // f4e: forward 4 extract
            case 1: return (s + 8 - i) & 7;         // b4e: backward 4 extract
            case 2: return s;                       // rc8: replicate
            case 3: return std::max(i, s);          // ecl: edge clamp left
            case 4: return std::min(i, s);          // ecr: edge clamp right
            default: return (s & 1) * 2 + (i & 1);  // rc16
        }
    }
    static u32 f(u32 a, u32 b, u32 selector) {
        u32 r = 0;
        for (u32 i = 0; i < 4; i++) r |= byte_of(pair(a, b), source(selector & 3, i)) << (8 * i);
        return r;
    }
};

// imm: the truth table.
void exec_lop3(Context& c, const Instruction& I) {
    const u32 *a = slot<u32>(c, I.o[1]), *b = slot<u32>(c, I.o[2]), *e = slot<u32>(c, I.o[3]);
    alignas(64) u32 t[kWarp];
    u32 k[8];
    for (int j = 0; j < 8; j++) k[j] = (I.imm >> j & 1) ? kFull : 0;
    for (int i = 0; i < kWarp; i++) {
        const u32 x = a[i], y = b[i], z = e[i];
        t[i] = (k[7] & x & y & z) | (k[6] & x & y & ~z) | (k[5] & x & ~y & z) |
               (k[4] & x & ~y & ~z) | (k[3] & ~x & y & z) | (k[2] & ~x & y & ~z) |
               (k[1] & ~x & ~y & z) | (k[0] & ~x & ~y & ~z);
    }
    store_masked(slot<u32>(c, I.o[0]), t, c.mask);
}

// ---- extended precision -------------------------------------------------------------------------

enum CarryOp : u8 { kCarryAdd, kCarrySub, kCarryMadLo, kCarryMadHi };
enum CarryFlags : u16 { kUsesCarry = 1, kSetsCarry = 2 };

template <class T>
void exec_carry(Context& c, const Instruction& I) {
    U<T>* d = slot<U<T>>(c, I.o[0]);
    const T *a = slot<T>(c, I.o[1]), *b = slot<T>(c, I.o[2]);
    const U<T>* e = I.sub >= kCarryMadLo ? slot<U<T>>(c, I.o[3]) : nullptr;
    u32& carry = c.warp->carry;
    for_lanes(c.mask, [&](int i) {
        const u32 in = (I.flags & kUsesCarry) ? carry >> i & 1 : 0;
        u128 r;
        if (I.sub == kCarryAdd)
            r = u128(U<T>(a[i])) + U<T>(b[i]) + in;
        else if (I.sub == kCarrySub)
            r = u128(U<T>(a[i])) - U<T>(b[i]) - in;
        else
            r = u128(U<T>(I.sub == kCarryMadLo ? MulLo::f(a[i], b[i]) : MulHi::f(a[i], b[i]))) +
                e[i] + in;
        d[i] = U<T>(r);
        if (I.flags & kSetsCarry) carry = (carry & ~(1u << i)) | u32(r >> kBits<T> & 1) << i;
    });
}

// ---- selection ----------------------------------------------------------------------------------

template <class F>
ExecFn unary(Type t) {
    return for_integer(t, []<class T>(std::type_identity<T>) -> ExecFn { return exec<F, T, T>; });
}
template <class F>
ExecFn unary_signed(Type t) {
    return is_signed_type(t) ? unary<F>(t) : nullptr;
}
template <class F>
ExecFn to_u32(Type t) {
    return for_integer(t, []<class T>(std::type_identity<T>) -> ExecFn { return exec<F, u32, T>; });
}
template <class F>
ExecFn binary(Type t) {
    return for_integer(t,
                       []<class T>(std::type_identity<T>) -> ExecFn { return exec<F, T, T, T>; });
}
template <class F>
ExecFn ternary(Type t) {
    return for_integer(
        t, []<class T>(std::type_identity<T>) -> ExecFn { return exec<F, T, T, T, T>; });
}
template <class F>
ExecFn shift(Type t) {
    return for_integer(t,
                       []<class T>(std::type_identity<T>) -> ExecFn { return exec<F, T, T, u32>; });
}

ExecFn mul_wide(Type t) {
    switch (t) {
        case Type::U16: return exec<MulWide, u32, u16, u16>;
        case Type::S16: return exec<MulWide, i32, i16, i16>;
        case Type::U32: return exec<MulWide, u64, u32, u32>;
        case Type::S32: return exec<MulWide, i64, i32, i32>;
        default: return nullptr;
    }
}
ExecFn mad_wide(Type t) {
    switch (t) {
        case Type::U16: return exec<MadWide, u32, u16, u16, u32>;
        case Type::S16: return exec<MadWide, i32, i16, i16, i32>;
        case Type::U32: return exec<MadWide, u64, u32, u32, u64>;
        case Type::S32: return exec<MadWide, i64, i32, i32, i64>;
        default: return nullptr;
    }
}

template <template <class, class> class F>
ExecFn dot(bool signed_a, bool signed_b) {
    if (signed_a)
        return signed_b ? exec<F<i8, i8>, i32, u32, u32, i32> : exec<F<i8, u8>, i32, u32, u32, i32>;
    return signed_b ? exec<F<u8, i8>, i32, u32, u32, i32> : exec<F<u8, u8>, i32, u32, u32, i32>;
}
template <class A, class B>
using Dp2aLow = Dp2a<std::conditional_t<std::is_signed_v<A>, i16, u16>, B, 0>;
template <class A, class B>
using Dp2aHigh = Dp2a<std::conditional_t<std::is_signed_v<A>, i16, u16>, B, 1>;

ExecFn prmt(const ptx::Instr& in) {
    static constexpr ExecFn kByMode[] = {
        exec<PrmtMode<0>, u32, u32, u32, u32>, exec<PrmtMode<1>, u32, u32, u32, u32>,
        exec<PrmtMode<2>, u32, u32, u32, u32>, exec<PrmtMode<3>, u32, u32, u32, u32>,
        exec<PrmtMode<4>, u32, u32, u32, u32>, exec<PrmtMode<5>, u32, u32, u32, u32>};
    for (int m = 0; m < 6; m++)
        if (in.has(kPrmtModes[m])) return kByMode[m];
    return exec<Prmt, u32, u32, u32, u32>;
}

ExecFn shf(const ptx::Instr& in) {
    if (in.parts[1] == "l")
        return in.has("wrap") ? exec<ShfLeftWrap, u32, u32, u32, u32>
                              : exec<ShfLeftClamp, u32, u32, u32, u32>;
    return in.has("wrap") ? exec<ShfRightWrap, u32, u32, u32, u32>
                          : exec<ShfRightClamp, u32, u32, u32, u32>;
}

ExecFn bfe(Type t) {
    return for_integer(
        t, []<class T>(std::type_identity<T>) -> ExecFn { return exec<Bfe, T, T, u32, u32>; });
}

// An instruction's function, and the widths of its sources.
struct Form {
    ExecFn fn = nullptr;
    std::vector<int> widths;
};

Form arithmetic(const std::string& op, const ptx::Instr& in, Type t, int w) {
    const bool hi = in.has("hi"), wide = in.has("wide"), sat = in.has("sat");
    if (op == "add") return {sat ? exec<AddSat, i32, i32, i32> : binary<Add>(t), {w, w}};
    if (op == "sub") return {sat ? exec<SubSat, i32, i32, i32> : binary<Sub>(t), {w, w}};
    if (op == "mul" && wide) return {mul_wide(t), {w, w}};
    if (op == "mul") return {hi ? binary<MulHi>(t) : binary<MulLo>(t), {w, w}};
    if (op == "mad" && wide) return {mad_wide(t), {w, w, ptx::type_size(t) == 4 ? 8 : 4}};
    if (op == "mad") return {hi ? ternary<MadHi>(t) : ternary<MadLo>(t), {w, w, w}};
    if (op == "mul24" && !hi)
        return {t == Type::S32 ? exec<Mul24Lo, i32, i32, i32> : exec<Mul24Lo, u32, u32, u32>,
                {w, w}};
    if (op == "mad24" && !hi)
        return {
            t == Type::S32 ? exec<Mad24Lo, i32, i32, i32, i32> : exec<Mad24Lo, u32, u32, u32, u32>,
            {w, w, w}};
    if (op == "sad") return {ternary<Sad>(t), {w, w, w}};
    if (op == "div") return {binary<Div>(t), {w, w}};
    if (op == "rem") return {binary<Rem>(t), {w, w}};
    if (op == "min" && !in.has("relu")) return {binary<Min>(t), {w, w}};
    if (op == "max" && !in.has("relu")) return {binary<Max>(t), {w, w}};
    if (op == "abs") return {unary_signed<Abs>(t), {w}};
    if (op == "neg") return {unary_signed<Neg>(t), {w}};
    const bool signed_a = in.parts[in.parts.size() - 2] == "s32", signed_b = t == Type::S32;
    if (op == "dp4a") return {dot<Dp4a>(signed_a, signed_b), {4, 4, 4}};
    if (op == "dp2a")
        return {hi ? dot<Dp2aHigh>(signed_a, signed_b) : dot<Dp2aLow>(signed_a, signed_b),
                {4, 4, 4}};
    return {};
}

Form bitwise(const std::string& op, const ptx::Instr& in, Type t, int w) {
    if (op == "and") return {binary<And>(t), {w, w}};
    if (op == "or") return {binary<Or>(t), {w, w}};
    if (op == "xor") return {binary<Xor>(t), {w, w}};
    if (op == "not") return {unary<Not>(t), {w}};
    if (op == "cnot") return {unary<Cnot>(t), {w}};
    if (op == "lop3" && in.ops.size() == 5) return {exec_lop3, {4, 4, 4}};
    if (op == "shl") return {shift<Shl>(t), {w, 4}};
    if (op == "shr") return {shift<Shr>(t), {w, 4}};
    if (op == "shf") return {shf(in), {4, 4, 4}};
    if (op == "popc") return {to_u32<Popc>(t), {w}};
    if (op == "clz") return {to_u32<Clz>(t), {w}};
    if (op == "brev") return {unary<Brev>(t), {w}};
    if (op == "bfind") return {in.has("shiftamt") ? to_u32<BfindShift>(t) : to_u32<Bfind>(t), {w}};
    if (op == "bfe") return {bfe(t), {w, 4, 4}};
    if (op == "bfi") return {w == 8 ? exec_bfi<u64> : exec_bfi<u32>, {w, w, 4, 4}};
    if (op == "bmsk")
        return {in.has("wrap") ? exec<BmskWrap, u32, u32, u32> : exec<BmskClamp, u32, u32, u32>,
                {4, 4}};
    if (op == "fns") return {exec<Fns, u32, u32, u32, i32>, {4, 4, 4}};
    if (op == "prmt") return {prmt(in), {4, 4, 4}};
    return {};
}

// add.cc, addc, sub.cc, subc, mad.cc, madc
Form extended(const std::string& op, const ptx::Instr& in, Instruction& I, Type t, int w) {
    const std::string base = op.substr(0, 3);
    const bool uses = op == base + "c", sets = in.has("cc"), mad = base == "mad";
    if ((base != "add" && base != "sub" && !mad) || (!uses && !sets)) return {};
    I.sub = base == "add"   ? kCarryAdd
            : base == "sub" ? kCarrySub
            : in.has("hi")  ? kCarryMadHi
                            : kCarryMadLo;
    I.flags = u16((uses ? kUsesCarry : 0) | (sets ? kSetsCarry : 0));
    ExecFn fn = w == 8 ? (t == Type::S64 ? exec_carry<i64> : exec_carry<u64>)
                       : (t == Type::S32 ? exec_carry<i32> : exec_carry<u32>);
    return {fn, mad ? std::vector<int>{w, w, w} : std::vector<int>{w, w}};
}

}  // namespace

bool decode_int(Decoder& d, const ptx::Instr& in, Instruction& I) {
    const std::string& op = in.parts[0];
    const bool mode_last = op == "prmt";  // prmt.b32.f4e
    const Type t = mode_last ? Type::B32 : ptx::parse_type(in.parts.back());
    if (!is_int_type(t)) return false;
    const int w = ptx::type_size(t) == 8 ? 8 : 4;
    Form form = extended(op, in, I, t, w);
    if (!form.fn) form = arithmetic(op, in, t, w);
    if (!form.fn) form = bitwise(op, in, t, w);
    if (!form.fn) return false;
    if (form.fn == exec_lop3) I.imm = in.ops[4].imm;
    I.fn = form.fn;
    I.o[0] = d.dst(in.ops[0]);
    for (size_t k = 0; k < form.widths.size(); k++)
        I.o[k + 1] = d.src_w(in.ops[k + 1], form.widths[k]);
    return true;
}

}  // namespace fovea::cudaemu
