// Loads and stores: ld, ldu, st.
#include "tests/cudaemu/isa/memory.h"

#include "tests/cudaemu/isa/alu.h"
#include "tests/cudaemu/machine/access.h"

namespace fovea::cudaemu {

using ptx::Operand;
using ptx::Space;
using ptx::Type;

bool parse_space(const std::string& name, Space& s) {
    static const std::unordered_map<std::string, Space> kSpaces = {
        {"global", Space::Global},
        {"const", Space::Const},
        {"shared", Space::Shared},
        {"shared::cta", Space::Shared},
        {"shared::cluster", Space::Shared},
        {"local", Space::Local},
        {"param", Space::Param},
        {"param::entry", Space::Param},
        {"param::func", Space::Param}};
    const auto it = kSpaces.find(name);
    if (it == kSpaces.end()) return false;
    s = it->second;
    return true;
}

MemoryForm parse_memory(const ptx::Instr& in) {
    MemoryForm m;
    for (size_t i = 1; i < in.parts.size(); i++) {
        const std::string& p = in.parts[i];
        const Type t = ptx::parse_type(p);
        if (parse_space(p, m.space)) continue;
        if (p == "v2") m.elements = 2;
        if (p == "v4") m.elements = 4;
        if (p == "v8") m.elements = 8;
        if (p == "volatile" || p == "relaxed" || p == "acquire" || p == "release" ||
            p == "acq_rel" || p == "mmio")
            m.sync = true;
        if (t != Type::None) m.type = t;
    }
    return m;
}

namespace {

// Flags: volatile and the like do not race among themselves. A load that acquires polls what another
// block writes; how often is chance, so it counts as no traffic.
constexpr u16 kSyncAccess = 1, kPoll = 2;

// Element v of the vector: in a register, or in the list of many.
template <class D>
D* element(Context& c, const Instruction& I, int v) {
    return slot<D>(c, I.nv <= 4 ? I.o[v] : c.prog->ext[I.ext + u32(v)]);
}

// T in memory, lanes of type D in registers.
template <class T, class D>
void exec_ld(Context& c, const Instruction& I) {
    Access x;
    const u32 bytes = u32(sizeof(T)) * I.nv;
    const bool stats = c.stats;
    c.stats = stats && !(I.flags & kPoll);
    resolve(c, I, 5, bytes, false, x);
    c.stats = stats;
    if (c.check)
        for_lanes(x.shared, [&](int i) {
            race_access(c, i, x.soff[i], bytes, false, I.flags & kSyncAccess, false);
        });
    for (int v = 0; v < I.nv; v++) {
        D* d = element<D>(c, I, v);
        auto load = [&](int i) {
            T t;
            memcpy(&t, reinterpret_cast<void*>(x.a[i] + u64(v) * sizeof(T)), sizeof(T));
            d[i] = D(t);
        };
        if (c.mask == kFull) {
            for (int i = 0; i < kWarp; i++) load(i);
        } else {
            for_lanes(c.mask, load);
        }
    }
}

template <class T, class D>
void exec_st(Context& c, const Instruction& I) {
    Access x;
    const u32 bytes = u32(sizeof(T)) * I.nv;
    resolve(c, I, 5, bytes, true, x);
    const D* s[8];
    for (int v = 0; v < I.nv; v++) s[v] = element<D>(c, I, v);
    for_lanes(c.mask, [&](int i) {
        u8* p = reinterpret_cast<u8*>(x.a[i]);
        T t[8];
        for (int v = 0; v < I.nv; v++) t[v] = T(s[v][i]);
        if (c.check && (x.shared >> i & 1))
            race_access(c, i, x.soff[i], bytes, true, I.flags & kSyncAccess,
                        memcmp(p, t, bytes) == 0);
        memcpy(p, t, bytes);
    });
}

// A kernel's parameter: the same for all lanes.
template <class T, class D>
void exec_ld_kernel_param(Context& c, const Instruction& I) {
    for (int v = 0; v < I.nv; v++) {
        T t;
        memcpy(&t, c.launch->params.data() + I.imm + u64(v) * sizeof(T), sizeof(T));
        D* d = element<D>(c, I, v);
        for_lanes(c.mask, [&](int i) { d[i] = D(t); });
    }
}

// Parameters of device functions: each lane has its own in the frame.
template <class T>
u8* frame_param(Context& c, const Instruction& I, int lane, int v) {
    return c.frame->params.data() + size_t(lane) * c.prog->param_bytes + I.imm + u64(v) * sizeof(T);
}
template <class T, class D>
void exec_ld_param(Context& c, const Instruction& I) {
    for (int v = 0; v < I.nv; v++) {
        D* d = element<D>(c, I, v);
        for_lanes(c.mask, [&](int i) {
            T t;
            memcpy(&t, frame_param<T>(c, I, i, v), sizeof(T));
            d[i] = D(t);
        });
    }
}
template <class T, class D>
void exec_st_param(Context& c, const Instruction& I) {
    for (int v = 0; v < I.nv; v++) {
        const D* s = element<D>(c, I, v);
        for_lanes(c.mask, [&](int i) {
            const T t = T(s[i]);
            memcpy(frame_param<T>(c, I, i, v), &t, sizeof(T));
        });
    }
}

// A .b128 register is the 32 low halves, then the 32 high halves.
void exec_ld128(Context& c, const Instruction& I) {
    Access x;
    resolve(c, I, 5, 16, false, x);
    u64* d = slot<u64>(c, I.o[0]);
    for_lanes(c.mask, [&](int i) {
        memcpy(&d[i], reinterpret_cast<void*>(x.a[i]), 8);
        memcpy(&d[i + kWarp], reinterpret_cast<void*>(x.a[i] + 8), 8);
    });
}
void exec_st128(Context& c, const Instruction& I) {
    Access x;
    resolve(c, I, 5, 16, true, x);
    const u64* s = slot<u64>(c, I.o[0]);
    for_lanes(c.mask, [&](int i) {
        memcpy(reinterpret_cast<void*>(x.a[i]), &s[i], 8);
        memcpy(reinterpret_cast<void*>(x.a[i] + 8), &s[i + kWarp], 8);
    });
}

// ---- decoding -----------------------------------------------------------------------------------

enum Where { kMemory, kKernelParam, kFrameParam };

template <class T, class D>
ExecFn function(bool load, Where where) {
    if (where == kKernelParam) return load ? exec_ld_kernel_param<T, D> : nullptr;
    if (where == kFrameParam) return load ? exec_ld_param<T, D> : exec_st_param<T, D>;
    return load ? exec_ld<T, D> : exec_st<T, D>;
}

// Signs matter to loads only: they extend to the register.
ExecFn function(Type t, bool load, bool wide, Where where) {
    return for_integer(t, [&]<class T>(std::type_identity<T>) -> ExecFn {
        if constexpr (sizeof(T) == 8)
            return function<u64, u64>(load, where);
        else
            return wide ? function<T, u64>(load, where) : function<T, u32>(load, where);
    });
}

Type integer_of_size(Type t, bool load) {
    if (load && is_signed_type(t)) return t;
    switch (ptx::type_size(t)) {
        case 1: return Type::B8;
        case 2: return Type::B16;
        case 4: return Type::B32;
        default: return Type::B64;
    }
}

Class class_of(Space s, bool load) {
    switch (s) {
        case Space::Shared: return load ? Class::LdShared : Class::StShared;
        case Space::Local: return Class::LdStLocal;
        default: return load ? Class::LdGlobal : Class::StGlobal;
    }
}

}  // namespace

bool decode_memory(Decoder& d, const ptx::Instr& in, Instruction& I) {
    const std::string& op = in.parts[0];
    const bool load = op == "ld" || op == "ldu";
    if (!load && op != "st") return false;
    if (in.has("async") || in.has("bulk")) return false;
    const MemoryForm m = parse_memory(in);
    if (m.type == Type::None) return false;
    const Operand &data = in.ops[load ? 0 : 1], &addr = in.ops[load ? 1 : 0];
    const std::vector<Operand> elements =
        data.kind == Operand::Vec ? data.elems : std::vector<Operand>{data};
    if (int(elements.size()) != m.elements) d.unsupported(in, "vector width mismatch");

    const int size = ptx::type_size(m.type);
    I.space = m.space;
    I.nv = u8(m.elements);
    I.esz = u8(size);
    I.flags = u16((m.sync ? kSyncAccess : 0) | (load && in.has("acquire") ? kPoll : 0));
    I.cls = class_of(m.space, load);
    if (size == 16) {
        I.fn = load ? exec_ld128 : exec_st128;
        I.o[0] = load ? d.dst(data) : d.src_w(data, 8);
        d.address(addr, I, 5);
        return true;
    }

    bool wide = size == 8;  // the registers: PTX lets them be wider than the type
    for (const Operand& e : elements)
        if (e.kind == Operand::Reg) wide = d.reg_width(e) == 8;
    I.ext = d.ext_begin();
    for (size_t v = 0; v < elements.size(); v++) {
        const u32 s = load ? d.dst(elements[v]) : d.src_w(elements[v], wide ? 8 : 4);
        if (m.elements <= 4)
            I.o[v] = s;
        else
            d.ext_push(s);
    }

    Where where = kMemory;
    if (m.space == Space::Param && addr.var) {
        if (addr.reg >= 0) d.unsupported(in, "indexed parameter");
        where = d.is_kernel_param(addr.var) ? kKernelParam : kFrameParam;
        I.imm = i64(d.param_offset(addr.var)) + addr.imm;
        I.cls = Class::Other;
    } else {
        d.address(addr, I, 5);
    }
    I.fn = function(integer_of_size(m.type, load), load, wide, where);
    return I.fn != nullptr;
}

}  // namespace fovea::cudaemu
