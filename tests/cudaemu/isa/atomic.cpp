// atom and red.
#include <mutex>

#include "tests/cudaemu/decode/decoder.h"
#include "tests/cudaemu/isa/fp.h"
#include "tests/cudaemu/isa/memory.h"
#include "tests/cudaemu/isa/minmax.h"
#include "tests/cudaemu/machine/access.h"

namespace fovea::cudaemu {

using ptx::Operand;
using ptx::Type;

namespace {

enum class Op : u8 { Add, Min, Max, And, Or, Xor, Exch, Cas, Inc, Dec };
const std::pair<const char*, Op> kOps[] = {
    {"add", Op::Add}, {"min", Op::Min}, {"max", Op::Max},   {"and", Op::And}, {"or", Op::Or},
    {"xor", Op::Xor}, {"inc", Op::Inc}, {"exch", Op::Exch}, {"cas", Op::Cas}, {"dec", Op::Dec}};

// ---- the new value ------------------------------------------------------------------------------

template <class T>
T integer(Op op, T a, T b) {
    switch (op) {
        case Op::Add: return T(std::make_unsigned_t<T>(a) + std::make_unsigned_t<T>(b));
        case Op::Min: return std::min(a, b);
        case Op::Max: return std::max(a, b);
        case Op::And: return T(a & b);
        case Op::Or: return T(a | b);
        case Op::Xor: return T(a ^ b);
        case Op::Inc: return a >= b ? T(0) : T(a + 1);
        case Op::Dec: return a == 0 || a > b ? b : T(a - 1);
        default: return b;
    }
}

template <class F>
F real(Op op, F a, F b) {
    switch (op) {
        case Op::Add: return a + b;
        case Op::Min: return min_number(a, b);
        case Op::Max: return max_number(a, b);
        default: return b;
    }
}

u64 half(Op op, u64 a, u64 b) {
    return f64_to_f16(real<double>(op, f16_to_f32(u16(a)), f16_to_f32(u16(b))), Rnd::RN);
}
u64 bf16_half(Op op, u64 a, u64 b) {
    return f64_to_bf16(real<double>(op, bf16_to_f32(u16(a)), bf16_to_f32(u16(b))), Rnd::RN);
}

u64 updated(Op op, Type t, u64 a, u64 b) {
    switch (t) {
        case Type::U16:
        case Type::B16: return integer(op, u16(a), u16(b));
        case Type::U32:
        case Type::B32: return integer(op, u32(a), u32(b));
        case Type::S32: return u32(integer(op, i32(a), i32(b)));
        case Type::U64:
        case Type::B64: return integer(op, a, b);
        case Type::S64: return u64(integer(op, i64(a), i64(b)));
        case Type::F32: return fbits(real(op, bitsf(u32(a)), bitsf(u32(b))));
        case Type::F64: return dbits(real(op, bitsd(a), bitsd(b)));
        case Type::F16: return half(op, a, b);
        case Type::BF16: return bf16_half(op, a, b);
        case Type::F16x2: return half(op, a, b) | half(op, a >> 16, b >> 16) << 16;
        case Type::BF16x2: return bf16_half(op, a, b) | bf16_half(op, a >> 16, b >> 16) << 16;
        default: return b;
    }
}

// Blocks run on several threads of the host. Returns the old value.
template <class T>
T update(u64 addr, Op op, Type t, T operand, T replacement) {
    T* p = reinterpret_cast<T*>(addr);
    if (op == Op::Cas) {
        T old = operand;
        __atomic_compare_exchange_n(p, &old, replacement, false, __ATOMIC_SEQ_CST,
                                    __ATOMIC_SEQ_CST);
        return old;
    }
    T old = __atomic_load_n(p, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(p, &old, T(updated(op, t, old, operand)), false,
                                        __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)) {
    }
    return old;
}

// ---- the instructions ---------------------------------------------------------------------------

// T in memory, lanes of type D. o[0..3]: destinations, if wanted; ext: an operand for each element,
// or two for cas. sub: Op, sub2: Type.
template <class T, class D>
void exec_atomic(Context& c, const Instruction& I) {
    Access x;
    const u32 bytes = u32(sizeof(T)) * I.nv;
    resolve(c, I, 5, bytes, true, x);
    const Op op = Op(I.sub);
    const u32* operands = c.prog->ext.data() + I.ext;
    for_lanes(c.mask, [&](int i) {
        if (c.check && (x.shared >> i & 1)) race_access(c, i, x.soff[i], bytes, true, true, false);
        for (u32 v = 0; v < I.nv; v++) {
            const T operand = T(slot<D>(c, operands[v])[i]);
            const T replacement = op == Op::Cas ? T(slot<D>(c, operands[1])[i]) : T(0);
            const T old = update<T>(x.a[i] + v * sizeof(T), op, Type(I.sub2), operand, replacement);
            if (I.o[v] != kNoSlot) slot<D>(c, I.o[v])[i] = old;
        }
    });
}

// Exchange, and compare and swap. A .b128 register is the 32 low halves, then the 32 high halves.
void exec_atomic128(Context& c, const Instruction& I) {
    static std::mutex mutex;
    Access x;
    resolve(c, I, 5, 16, true, x);
    const u32* operands = c.prog->ext.data() + I.ext;
    std::lock_guard lock(mutex);
    for_lanes(c.mask, [&](int i) {
        u64* p = reinterpret_cast<u64*>(x.a[i]);
        const u64 old[2] = {p[0], p[1]};
        const u64* value = slot<u64>(c, operands[0]);
        const bool cas = Op(I.sub) == Op::Cas;
        if (!cas || (old[0] == value[i] && old[1] == value[i + kWarp])) {
            const u64* replacement = slot<u64>(c, operands[cas ? 1 : 0]);
            p[0] = replacement[i];
            p[1] = replacement[i + kWarp];
        }
        if (I.o[0] == kNoSlot) return;
        u64* d = slot<u64>(c, I.o[0]);
        d[i] = old[0];
        d[i + kWarp] = old[1];
    });
}

ExecFn function_of_size(int size) {
    switch (size) {
        case 2: return exec_atomic<u16, u32>;
        case 4: return exec_atomic<u32, u32>;
        case 8: return exec_atomic<u64, u64>;
        default: return exec_atomic128;
    }
}

}  // namespace

bool decode_atomic(Decoder& d, const ptx::Instr& in, Instruction& I) {
    const bool red = in.parts[0] == "red";
    if ((in.parts[0] != "atom" && !red) || in.has("async")) return false;
    const MemoryForm m = parse_memory(in);
    bool known = false;
    for (auto& [name, op] : kOps)
        if (in.has(name)) I.sub = u8(op), known = true;
    if (!known || m.type == Type::None) return false;
    if (m.elements > 4) d.unsupported(in, "vector atomics wider than 4");

    const int size = ptx::type_size(m.type);
    I.fn = function_of_size(size);
    I.cls = Class::Atomic;
    I.sub2 = u8(m.type);
    I.space = m.space;
    I.nv = u8(m.elements);
    I.esz = u8(size);
    size_t next = 0;
    if (!red) {
        const Operand& o = in.ops[next++];
        if (o.kind == Operand::Vec)
            for (size_t v = 0; v < o.elems.size(); v++) I.o[v] = d.dst(o.elems[v]);
        else
            I.o[0] = d.dst(o);
    }
    d.address(in.ops[next++], I, 5);

    std::vector<u32> operands;
    for (; next < in.ops.size(); next++) {
        const Operand& o = in.ops[next];
        if (o.kind == Operand::Vec)
            for (const Operand& e : o.elems) operands.push_back(d.src(e, m.type));
        else
            operands.push_back(d.src_w(o, size <= 4 ? 4 : 8));
    }
    I.ext = d.ext_begin();
    for (u32 s : operands) d.ext_push(s);
    return true;
}

}  // namespace fovea::cudaemu
