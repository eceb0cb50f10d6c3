// mov in all its forms, selp, slct, and the logic of predicates.
#include "tests/cudaemu/isa/alu.h"

namespace fovea::cudaemu {

using ptx::Operand;
using ptx::Type;

namespace {

struct Copy {
    template <class T>
    static T f(T a) {
        return a;
    }
};

// ---- vectors of small registers <-> a large one -------------------------------------------------

// {o[0], ..., o[N - 1]} = o[4], the lowest bits first.
template <class T, int N>
void exec_unpack(Context& c, const Instruction& I) {
    constexpr int kBits = int(8 * sizeof(T)) / N;
    constexpr u32 kMask = u32((u64(1) << kBits) - 1);
    T v[kWarp];  // a copy, as a destination may be the source
    memcpy(v, slot<T>(c, I.o[4]), sizeof(v));
    for (int k = 0; k < N; k++) {
        if (I.o[k] == kNoSlot) continue;
        u32* d = slot<u32>(c, I.o[k]);
        for_lanes(c.mask, [&](int i) { d[i] = u32(v[i] >> (k * kBits)) & kMask; });
    }
}

// o[0] = {o[1], ..., o[N]}
template <class T, int N>
void exec_pack(Context& c, const Instruction& I) {
    constexpr int kBits = int(8 * sizeof(T)) / N;
    constexpr u32 kMask = u32((u64(1) << kBits) - 1);
    T t[kWarp] = {};
    for (int k = 0; k < N; k++) {
        const u32* a = slot<u32>(c, I.o[1 + k]);
        for (int i = 0; i < kWarp; i++) t[i] |= T(a[i] & kMask) << (k * kBits);
    }
    store_masked(slot<T>(c, I.o[0]), t, c.mask);
}

// A .b128 register is the 32 low halves, then the 32 high halves.
void exec_unpack128(Context& c, const Instruction& I) {
    const u64* a = slot<u64>(c, I.o[4]);
    u64 *lo = slot<u64>(c, I.o[0]), *hi = slot<u64>(c, I.o[1]);
    for_lanes(c.mask, [&](int i) {
        const u64 l = a[i], h = a[i + kWarp];
        lo[i] = l;
        hi[i] = h;
    });
}
void exec_pack128(Context& c, const Instruction& I) {
    u64* d = slot<u64>(c, I.o[0]);
    const u64 *lo = slot<u64>(c, I.o[1]), *hi = slot<u64>(c, I.o[2]);
    for_lanes(c.mask, [&](int i) {
        const u64 l = lo[i], h = hi[i];
        d[i] = l;
        d[i + kWarp] = h;
    });
}
void exec_mov128(Context& c, const Instruction& I) {
    u64* d = slot<u64>(c, I.o[0]);
    const u64* a = slot<u64>(c, I.o[1]);
    for_lanes(c.mask, [&](int i) {
        d[i] = a[i];
        d[i + kWarp] = a[i + kWarp];
    });
}

bool decode_unpack(Decoder& d, const ptx::Instr& in, Instruction& I, int bytes) {
    const std::vector<Operand>& parts = in.ops[0].elems;
    const size_t n = parts.size();
    for (size_t k = 0; k < n && k < 4; k++)
        I.o[k] = parts[k].kind == Operand::Sink ? kNoSlot : d.dst(parts[k]);
    I.o[4] = d.src_w(in.ops[1], bytes <= 4 ? 4 : 8);
    if (bytes == 16) {
        for (int k = 0; k < 2; k++)
            if (I.o[k] == kNoSlot) I.o[k] = d.scratch(8);
        I.fn = exec_unpack128;
    }
    if (bytes == 8) I.fn = n == 2 ? exec_unpack<u64, 2> : exec_unpack<u64, 4>;
    if (bytes == 4) I.fn = n == 2 ? exec_unpack<u32, 2> : exec_unpack<u32, 4>;
    return I.fn != nullptr;
}

bool decode_pack(Decoder& d, const ptx::Instr& in, Instruction& I, int bytes) {
    const std::vector<Operand>& parts = in.ops[1].elems;
    const size_t n = parts.size();
    I.o[0] = d.dst(in.ops[0]);
    for (size_t k = 0; k < n && k < 4; k++) I.o[1 + k] = d.src_w(parts[k], bytes == 16 ? 8 : 4);
    if (bytes == 16) I.fn = exec_pack128;
    if (bytes == 8) I.fn = n == 2 ? exec_pack<u64, 2> : exec_pack<u64, 4>;
    if (bytes == 4) I.fn = n == 2 ? exec_pack<u32, 2> : exec_pack<u32, 4>;
    return I.fn != nullptr;
}

// ---- special registers, addresses ---------------------------------------------------------------

// One that changes: sub is its SR.
template <class T>
void exec_special(Context& c, const Instruction& I) {
    const u64 v = dynamic_sreg(c, SR(I.sub));
    T* d = slot<T>(c, I.o[0]);
    for_lanes(c.mask, [&](int i) { d[i] = T(v); });
}

bool decode_special(Decoder& d, const ptx::Instr& in, Instruction& I, int bytes) {
    const SR id = parse_sreg(in.ops[1].name);
    I.o[0] = d.dst(in.ops[0]);
    if (sreg_dynamic(id)) {
        I.fn = bytes == 8 ? exec_special<u64> : exec_special<u32>;
        I.sub = u8(id);
        return true;
    }
    const int width = sreg_width(id);
    I.o[1] = d.src_w(in.ops[1], width);
    if (bytes == 8)
        I.fn = width == 8 ? exec<Copy, u64, u64> : exec<Copy, u64, u32>;
    else
        I.fn = width == 8 ? exec<Copy, u32, u64> : exec<Copy, u32, u32>;
    return true;
}

void exec_local_address(Context& c, const Instruction& I) {
    u64* d = slot<u64>(c, I.o[0]);
    const u64* base = slot<u64>(c, I.o[5]);
    for_lanes(c.mask, [&](int i) { d[i] = base[i] + u64(I.imm); });
}

bool decode_function_address(Decoder& d, const ptx::Instr& in, Instruction& I) {
    const auto& functions = d.module().mod->funcs;
    for (size_t i = 0; i < functions.size(); i++)
        if (functions[i]->name == in.ops[1].name && functions[i]->has_body) {
            Operand address;
            address.kind = Operand::Imm;
            address.imm = i64(kFuncTag | i);
            I.o[0] = d.dst(in.ops[0]);
            I.o[1] = d.src_w(address, 8);
            I.fn = exec<Copy, u64, u64>;
            return true;
        }
    d.unsupported(in, "unknown symbol");
}

// ---- predicates ---------------------------------------------------------------------------------

enum PredicateOp : u8 { kAnd, kOr, kXor, kNot, kMov };
void exec_predicate(Context& c, const Instruction& I) {
    const u32 a = pred(c, I.o[1]), b = I.sub <= kXor ? pred(c, I.o[2]) : 0;
    switch (I.sub) {
        case kAnd: return set_pred(c, I.o[0], a & b);
        case kOr: return set_pred(c, I.o[0], a | b);
        case kXor: return set_pred(c, I.o[0], a ^ b);
        case kNot: return set_pred(c, I.o[0], ~a);
        default: return set_pred(c, I.o[0], a);
    }
}

bool decode_predicate(Decoder& d, const ptx::Instr& in, Instruction& I) {
    static const char* const kNames[] = {"and", "or", "xor", "not", "mov"};
    for (u8 op = 0; op < 5; op++) {
        if (in.parts[0] != kNames[op]) continue;
        I.fn = exec_predicate;
        I.sub = op;
        I.o[0] = d.pred_dst(in.ops[0]);
        I.o[1] = d.pred_src(in.ops[1]);
        if (op <= kXor) I.o[2] = d.pred_src(in.ops[2]);
        return true;
    }
    return false;
}

// ---- selection ----------------------------------------------------------------------------------

// o[0] = o[3] ? o[1] : o[2]
template <class T>
void exec_selp(Context& c, const Instruction& I) {
    const T *a = slot<T>(c, I.o[1]), *b = slot<T>(c, I.o[2]);
    const u32 p = pred(c, I.o[3]);
    alignas(64) T t[kWarp];
    for (int i = 0; i < kWarp; i++) t[i] = (p >> i & 1) ? a[i] : b[i];
    store_masked(slot<T>(c, I.o[0]), t, c.mask);
}

template <class S>
struct Slct {
    template <class T>
    static T f(T a, T b, S s) {
        return s >= 0 ? a : b;
    }
};

bool decode_selection(Decoder& d, const ptx::Instr& in, Instruction& I, Type t) {
    const bool selp = in.parts[0] == "selp";
    const Type value = selp ? t : ptx::parse_type(in.parts[in.parts.size() - 2]);
    const bool wide = ptx::type_size(value) == 8;
    I.o[0] = d.dst(in.ops[0]);
    I.o[1] = d.src(in.ops[1], value);
    I.o[2] = d.src(in.ops[2], value);
    I.o[3] = selp ? d.pred_src(in.ops[3]) : d.src(in.ops[3], t);
    if (selp)
        I.fn = wide ? exec_selp<u64> : exec_selp<u32>;
    else if (t == Type::F32)
        I.fn = wide ? exec<Slct<float>, u64, u64, u64, float>
                    : exec<Slct<float>, u32, u32, u32, float>;
    else
        I.fn = wide ? exec<Slct<i32>, u64, u64, u64, i32> : exec<Slct<i32>, u32, u32, u32, i32>;
    return true;
}

}  // namespace

bool decode_move(Decoder& d, const ptx::Instr& in, Instruction& I) {
    const std::string& op = in.parts[0];
    const Type t = ptx::parse_type(in.parts.back());
    if (t == Type::Pred) return decode_predicate(d, in, I);
    if (op == "selp" || op == "slct") return decode_selection(d, in, I, t);
    if (op != "mov") return false;

    const Operand& src = in.ops[1];
    const int bytes = ptx::type_size(t);
    if (in.ops[0].kind == Operand::Vec) return decode_unpack(d, in, I, bytes);
    if (src.kind == Operand::Vec) return decode_pack(d, in, I, bytes);
    if (src.kind == Operand::SReg) return decode_special(d, in, I, bytes);
    if (src.kind == Operand::Label) return decode_function_address(d, in, I);
    if (src.kind == Operand::Sym && src.var->space == ptx::Space::Param) return false;
    I.o[0] = d.dst(in.ops[0]);
    if (src.kind == Operand::Sym && src.var->space == ptx::Space::Local && !d.function().entry) {
        d.address(src, I, 5);
        I.fn = exec_local_address;
        return true;
    }
    I.o[1] = bytes == 16 ? d.src_w(src, 8) : d.src(src, t);
    I.fn = bytes == 16 ? exec_mov128 : bytes == 8 ? exec<Copy, u64, u64> : exec<Copy, u32, u32>;
    return true;
}

}  // namespace fovea::cudaemu
