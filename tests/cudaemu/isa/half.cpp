// Arithmetic in f16 and bf16, one or two numbers to a register.
#include "tests/cudaemu/isa/alu.h"
#include "tests/cudaemu/isa/fp.h"
#include "tests/cudaemu/isa/minmax.h"

namespace fovea::cudaemu {

using ptx::Type;

namespace {

enum Op { kAdd, kSub, kMul, kFma, kNeg, kAbs, kMin, kMax, kMinNan, kMaxNan, kEx2, kTanh };
enum Flags : u16 { kSat = 1, kRelu = 2, kFtz = 4 };
constexpr u16 kNan = 0x7fff;

// Rounds so that a second rounding, to a narrower format, gives what one rounding would: to the
// neighbour with an odd mantissa (Boldo and Melquiond 2008).
float round_to_odd(double d) {
    const float f = float(d);
    if (std::isinf(f) && std::isfinite(d)) return std::copysign(3.4028234663852886e38f, f);
    if (double(f) == d || !std::isfinite(f)) return f;
    u32 b = fbits(f);
    if (std::fabs(double(f)) > std::fabs(d)) b--;
    return bitsf(b | 1);
}

// A float has over twice the bits of a half: one operation in float, then rounded, is rounded once.
template <class H, Op op>
u16 compute(u16 a, u16 b, u16 c, u16 flags) {
    if constexpr (op == kNeg) return a ^ 0x8000;
    if constexpr (op == kAbs) return a & 0x7fff;
    const float x = H::to(a), y = H::to(b);
    if constexpr (op == kMinNan || op == kMaxNan)
        if (std::isnan(x) || std::isnan(y)) return kNan;
    if constexpr (op == kMin || op == kMinNan) return H::from(min_number(x, y));
    if constexpr (op == kMax || op == kMaxNan) return H::from(max_number(x, y));

    float r = 0;
    if constexpr (op == kAdd) r = x + y;
    if constexpr (op == kSub) r = x - y;
    if constexpr (op == kMul) r = x * y;
    if constexpr (op == kFma) r = round_to_odd(std::fma(double(x), double(y), double(H::to(c))));
    if constexpr (op == kEx2) r = std::exp2(x);
    if constexpr (op == kTanh) r = std::tanh(x);
    u16 h = H::from(r);
    if ((flags & kFtz) && std::is_same_v<H, HalfF16> && (h & 0x7c00) == 0) h &= 0x8000;
    if ((flags & kRelu) && (h & 0x8000) && !std::isnan(r)) h = 0;
    if (flags & kSat) {
        const float f = H::to(h);
        h = !(f > 0) ? 0 : f > 1 ? H::kOne : h;
    }
    return h;
}

template <class H, Op op, bool two>
void exec_half(Context& c, const Instruction& I) {
    u32* d = slot<u32>(c, I.o[0]);
    const u32* a = slot<u32>(c, I.o[1]);
    const u32* b = I.o[2] == kNoSlot ? a : slot<u32>(c, I.o[2]);
    const u32* e = I.o[3] == kNoSlot ? a : slot<u32>(c, I.o[3]);
    for_lanes(c.mask, [&](int i) {
        u32 r = compute<H, op>(u16(a[i]), u16(b[i]), u16(e[i]), I.flags);
        if (two)
            r |= u32(compute<H, op>(u16(a[i] >> 16), u16(b[i] >> 16), u16(e[i] >> 16), I.flags))
                 << 16;
        d[i] = r;
    });
}

template <Op op>
ExecFn function(Type t) {
    switch (t) {
        case Type::F16: return exec_half<HalfF16, op, false>;
        case Type::F16x2: return exec_half<HalfF16, op, true>;
        case Type::BF16: return exec_half<HalfBF16, op, false>;
        case Type::BF16x2: return exec_half<HalfBF16, op, true>;
        default: return nullptr;
    }
}

struct Form {
    ExecFn fn = nullptr;
    Class cls = Class::Other;
    u32 flops = 0;
};

Form form(const std::string& op, Type t, bool nan, size_t sources) {
    if (op == "add") return {function<kAdd>(t), Class::Fma, 1};
    if (op == "sub") return {function<kSub>(t), Class::Fma, 1};
    if (op == "mul") return {function<kMul>(t), Class::Fma, 1};
    if (op == "fma") return {function<kFma>(t), Class::Fma, 2};
    if (op == "neg") return {function<kNeg>(t), Class::Alu};
    if (op == "abs") return {function<kAbs>(t), Class::Alu};
    if (op == "min" && sources == 2)
        return {nan ? function<kMinNan>(t) : function<kMin>(t), Class::Alu};
    if (op == "max" && sources == 2)
        return {nan ? function<kMaxNan>(t) : function<kMax>(t), Class::Alu};
    if (op == "ex2") return {function<kEx2>(t), Class::Sfu};
    if (op == "tanh") return {function<kTanh>(t), Class::Sfu};
    return {};
}

}  // namespace

bool decode_half(Decoder& d, const ptx::Instr& in, Instruction& I) {
    // ptxas also takes the modifier behind the type: fma.rn.f16x2.relu
    const bool late_relu = in.parts.back() == "relu" && in.parts.size() > 2;
    const Type t = ptx::parse_type(in.parts[in.parts.size() - (late_relu ? 2 : 1)]);
    if (t != Type::F16 && t != Type::F16x2 && t != Type::BF16 && t != Type::BF16x2) return false;
    const std::string& op = in.parts[0];
    if (in.has("rz") || in.has("rm") || in.has("rp") || in.has("oob")) return false;
    if (in.has("abs") || in.has("xorsign")) return false;  // min.xorsign.abs
    const size_t sources = in.ops.size() - 1;
    const Form f = form(op, t, in.has("NaN"), sources);
    if (!f.fn) return false;
    I.fn = f.fn;
    I.cls = f.cls;
    I.flops = f.flops * (t == Type::F16x2 || t == Type::BF16x2 ? 2 : 1);
    I.flags =
        u16((in.has("sat") ? kSat : 0) | (in.has("relu") ? kRelu : 0) | (in.has("ftz") ? kFtz : 0));
    I.o[0] = d.dst(in.ops[0]);
    for (size_t k = 1; k <= sources && k < 4; k++) I.o[k] = d.src(in.ops[k], t);
    return true;
}

}  // namespace fovea::cudaemu
