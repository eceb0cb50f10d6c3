// Arithmetic in f32 and f64. Compiled with -frounding-math: directed rounding is the host's.
#include <cfenv>

#include "tests/cudaemu/isa/alu.h"
#include "tests/cudaemu/isa/fp.h"
#include "tests/cudaemu/isa/minmax.h"

namespace fovea::cudaemu {

using ptx::Type;

namespace {

float saturate(float r) { return r > 0 ? (r < 1 ? r : 1.0f) : 0.0f; }  // NaN -> 0

// ---- the operations, on float or double ---------------------------------------------------------

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

float fused(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
double fused(double a, double b, double c) { return __builtin_fma(a, b, c); }

BINARY(Add, a + b)
BINARY(Sub, a - b)
BINARY(Mul, a* b)
BINARY(Div, a / b)
TERNARY(Fma, fused(a, b, c))
UNARY(Neg, -a)
UNARY(Abs, std::fabs(a))
UNARY(Rcp, T(1) / a)
UNARY(Sqrt, std::sqrt(a))
UNARY(Rsqrt, T(1.0 / std::sqrt(double(a))))
UNARY(Sin, std::sin(a))
UNARY(Cos, std::cos(a))
UNARY(Lg2, std::log2(a))
UNARY(Ex2, std::exp2(a))
UNARY(Tanh, std::tanh(a))
BINARY(Min, min_number(a, b))
BINARY(Max, max_number(a, b))
BINARY(MinNan, std::isnan(a) || std::isnan(b) ? bitsf(0x7fffffffu) : min_number(a, b))
BINARY(MaxNan, std::isnan(a) || std::isnan(b) ? bitsf(0x7fffffffu) : max_number(a, b))
TERNARY(Min3, min_number(min_number(a, b), c))
TERNARY(Max3, max_number(max_number(a, b), c))
// rcp.approx.ftz.f64 gives the upper half only.
UNARY(RcpApprox, bitsd(dbits(1.0 / a) & 0xffffffff00000000ull))

// An operation with denormals flushed, and with its result clamped to [0, 1].
template <class F, bool flush, bool clamp>
struct Modified {
    template <class... A>
    static float f(A... a) {
        float r = F::f((flush ? ftz(a) : a)...);
        if (flush) r = ftz(r);
        return clamp ? saturate(r) : r;
    }
};

// ---- directed rounding: sub is the operation, sub2 the direction --------------------------------

enum DirectedOp : u8 { kAdd, kSub, kMul, kFma, kDiv, kRcp, kSqrt, kNone };
enum DirectedFlags : u16 { kFtz = 1, kSat = 2 };

int host_rounding(Rnd r) {
    switch (r) {
        case Rnd::RZ: return FE_TOWARDZERO;
        case Rnd::RM: return FE_DOWNWARD;
        case Rnd::RP: return FE_UPWARD;
        default: return FE_TONEAREST;
    }
}

template <class T>
T compute(u8 op, T x, T y, T z) {
    switch (op) {
        case kAdd: return x + y;
        case kSub: return x - y;
        case kMul: return x * y;
        case kFma: return std::fma(x, y, z);
        case kDiv: return x / y;
        case kRcp: return T(1) / x;
        default: return std::sqrt(x);
    }
}

template <class T>
void exec_directed(Context& c, const Instruction& I) {
    constexpr bool kFloat = std::is_same_v<T, float>;
    T* d = slot<T>(c, I.o[0]);
    const T* a = slot<T>(c, I.o[1]);
    const T* b = I.o[2] == kNoSlot ? a : slot<T>(c, I.o[2]);
    const T* e = I.o[3] == kNoSlot ? a : slot<T>(c, I.o[3]);
    const int old = fegetround();
    fesetround(host_rounding(Rnd(I.sub2)));
    for_lanes(c.mask, [&](int i) {
        T operands[3] = {a[i], b[i], e[i]};
        if constexpr (kFloat)
            if (I.flags & kFtz)
                for (T& v : operands) v = ftz(v);
        const volatile T x = operands[0], y = operands[1],
                         z = operands[2];  // not before fesetround
        const volatile T result = compute<T>(I.sub, x, y, z);
        T r = result;
        if constexpr (kFloat) {
            if (I.flags & kFtz) r = ftz(r);
            if (I.flags & kSat) r = saturate(r);
        }
        d[i] = r;
    });
    fesetround(old);
}

DirectedOp directed(const std::string& op) {
    static const std::pair<const char*, DirectedOp> kOps[] = {
        {"add", kAdd}, {"sub", kSub}, {"mul", kMul}, {"fma", kFma},
        {"mad", kFma}, {"div", kDiv}, {"rcp", kRcp}, {"sqrt", kSqrt}};
    for (auto& [name, number] : kOps)
        if (op == name) return number;
    return kNone;
}

// ---- selection ----------------------------------------------------------------------------------

struct Form {
    ExecFn fn = nullptr;
    Class cls = Class::Other;
    u32 flops = 0;
};

template <class F, class... A>
ExecFn f32(bool flush, bool clamp) {
    if (flush)
        return clamp ? exec<Modified<F, true, true>, float, A...>
                     : exec<Modified<F, true, false>, float, A...>;
    return clamp ? exec<Modified<F, false, true>, float, A...>
                 : exec<Modified<F, false, false>, float, A...>;
}
template <class F>
ExecFn f32_1(bool flush, bool clamp) {
    return f32<F, float>(flush, clamp);
}
template <class F>
ExecFn f32_2(bool flush, bool clamp) {
    return f32<F, float, float>(flush, clamp);
}
template <class F>
ExecFn f32_3(bool flush, bool clamp) {
    return f32<F, float, float, float>(flush, clamp);
}

Form form_f32(const std::string& op, const ptx::Instr& in, size_t sources) {
    const bool z = in.has("ftz"), s = in.has("sat"), nan = in.has("NaN"), three = sources == 3;
    if (op == "add") return {f32_2<Add>(z, s), Class::Fma, 1};
    if (op == "sub") return {f32_2<Sub>(z, s), Class::Fma, 1};
    if (op == "mul") return {f32_2<Mul>(z, s), Class::Fma, 1};
    if (op == "fma" || op == "mad") return {f32_3<Fma>(z, s), Class::Fma, 2};
    if (op == "div") return {f32_2<Div>(z, s), Class::Sfu, 1};
    if (in.has("xorsign")) return {};
    if (op == "min" && three) return {f32_3<Min3>(z, s), Class::Alu};
    if (op == "max" && three) return {f32_3<Max3>(z, s), Class::Alu};
    if (op == "min") return {nan ? f32_2<MinNan>(z, s) : f32_2<Min>(z, s), Class::Alu};
    if (op == "max") return {nan ? f32_2<MaxNan>(z, s) : f32_2<Max>(z, s), Class::Alu};
    if (op == "neg") return {f32_1<Neg>(z, s), Class::Alu};
    if (op == "abs") return {f32_1<Abs>(z, s), Class::Alu};
    if (op == "rcp") return {f32_1<Rcp>(z, s), Class::Sfu, 1};
    if (op == "sqrt") return {f32_1<Sqrt>(z, s), Class::Sfu, 1};
    if (op == "rsqrt") return {f32_1<Rsqrt>(z, s), Class::Sfu, 1};
    if (op == "sin") return {f32_1<Sin>(z, s), Class::Sfu, 1};
    if (op == "cos") return {f32_1<Cos>(z, s), Class::Sfu, 1};
    if (op == "lg2") return {f32_1<Lg2>(z, s), Class::Sfu, 1};
    if (op == "ex2") return {f32_1<Ex2>(z, s), Class::Sfu, 1};
    if (op == "tanh") return {f32_1<Tanh>(z, s), Class::Sfu, 1};
    return {};
}

template <class F>
constexpr ExecFn f64_1 = exec<F, double, double>;
template <class F>
constexpr ExecFn f64_2 = exec<F, double, double, double>;

Form form_f64(const std::string& op, bool approx) {
    if (op == "add") return {f64_2<Add>, Class::Fma, 1};
    if (op == "sub") return {f64_2<Sub>, Class::Fma, 1};
    if (op == "mul") return {f64_2<Mul>, Class::Fma, 1};
    if (op == "fma" || op == "mad")
        return {exec<Fma, double, double, double, double>, Class::Fma, 2};
    if (op == "div") return {f64_2<Div>, Class::Sfu, 1};
    if (op == "min") return {f64_2<Min>, Class::Alu};
    if (op == "max") return {f64_2<Max>, Class::Alu};
    if (op == "neg") return {f64_1<Neg>, Class::Alu};
    if (op == "abs") return {f64_1<Abs>, Class::Alu};
    if (op == "rcp") return {approx ? f64_1<RcpApprox> : f64_1<Rcp>, Class::Sfu, 1};
    if (op == "sqrt") return {f64_1<Sqrt>, Class::Sfu, 1};
    if (op == "rsqrt") return {f64_1<Rsqrt>, Class::Sfu, 1};
    return {};
}

// The magnitude of b with the sign of a.
struct Copysign {
    template <class T>
    static T f(T a, T b) {
        return std::copysign(b, a);
    }
};

}  // namespace

bool decode_float(Decoder& d, const ptx::Instr& in, Instruction& I) {
    const std::string& op = in.parts[0];
    const Type t = ptx::parse_type(in.parts.back());
    if (t != Type::F32 && t != Type::F64) return false;
    const bool f64 = t == Type::F64, approx = in.has("approx") || in.has("full");
    const size_t sources = in.ops.size() - 1;
    const Rnd direction = in.has("rz")   ? Rnd::RZ
                          : in.has("rm") ? Rnd::RM
                          : in.has("rp") ? Rnd::RP
                                         : Rnd::RN;
    Form f;
    if (op == "copysign") {
        f = {f64 ? f64_2<Copysign> : exec<Copysign, float, float, float>, Class::Alu};
    } else if (direction != Rnd::RN && !approx && directed(op) != kNone) {
        I.sub = directed(op);
        I.sub2 = u8(direction);
        I.flags = u16((in.has("ftz") ? kFtz : 0) | (in.has("sat") ? kSat : 0));
        f = {f64 ? exec_directed<double> : exec_directed<float>, Class::Fma,
             I.sub == kFma ? 2u : 1u};
    } else {
        f = f64 ? form_f64(op, approx) : form_f32(op, in, sources);
    }
    if (!f.fn) return false;
    I.fn = f.fn;
    I.cls = f.cls;
    I.flops = f.flops;
    I.o[0] = d.dst(in.ops[0]);
    for (size_t k = 1; k <= sources && k < 4; k++) I.o[k] = d.src(in.ops[k], t);
    return true;
}

}  // namespace fovea::cudaemu
