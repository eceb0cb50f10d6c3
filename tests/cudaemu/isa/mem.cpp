// ld, st, atom, red, cvta, isspacep, mapa, prefetch and friends.
#include <cmath>

#include "tests/cudaemu/decode/decode.h"
#include "tests/cudaemu/isa/fp.h"
#include "tests/cudaemu/machine/access.h"

namespace emu {

using ptx::Operand;
using ptx::Space;
using ptx::Ty;

// Inst::flags of memory instructions.
enum : u16 {
    kSyncAccess = 1
};  // volatile / relaxed / acquire / release: no race reports among themselves

template <class T, class D>
static void exec_ld(Ctx& c, const Inst& I) {
    Access x;
    u32 bytes = u32(sizeof(T)) * I.nv;
    resolve(c, I, 5, bytes, false, x);
    if (c.check && x.shared)
        for_lanes(x.shared, [&](int i) {
            race_access(c, i, x.soff[i], bytes, false, I.flags & kSyncAccess, false);
        });
    u32 mask = c.mask;
    for (int v = 0; v < I.nv; v++) {
        D* d = slot<D>(c, I.nv <= 4 ? I.o[v] : c.prog->ext[I.ext + u32(v)]);
        if (mask == kFull) {
            for (int i = 0; i < kWarp; i++) {
                T t;
                memcpy(&t, reinterpret_cast<void*>(x.a[i] + u64(v) * sizeof(T)), sizeof(T));
                d[i] = D(t);
            }
        } else {
            for_lanes(mask, [&](int i) {
                T t;
                memcpy(&t, reinterpret_cast<void*>(x.a[i] + u64(v) * sizeof(T)), sizeof(T));
                d[i] = D(t);
            });
        }
    }
}

template <class T, class D>
static void exec_st(Ctx& c, const Inst& I) {
    Access x;
    u32 bytes = u32(sizeof(T)) * I.nv;
    resolve(c, I, 5, bytes, true, x);
    const D* s[8];
    for (int v = 0; v < I.nv; v++)
        s[v] = slot<D>(c, I.nv <= 4 ? I.o[v] : c.prog->ext[I.ext + u32(v)]);
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

// Kernel parameters: uniform values.
template <class T, class D>
static void exec_ld_kparam(Ctx& c, const Inst& I) {
    for (int v = 0; v < I.nv; v++) {
        T t;
        memcpy(&t, c.launch->params.data() + I.imm + u64(v) * sizeof(T), sizeof(T));
        D* d = slot<D>(c, I.o[v]);
        for_lanes(c.mask, [&](int i) { d[i] = D(t); });
    }
}
// Parameters of device functions: per-lane storage in the frame.
template <class T, class D>
static void exec_ld_fparam(Ctx& c, const Inst& I) {
    const u8* base = c.frame->params.data();
    size_t stride = c.prog->param_bytes;
    for (int v = 0; v < I.nv; v++) {
        D* d = slot<D>(c, I.o[v]);
        for_lanes(c.mask, [&](int i) {
            T t;
            memcpy(&t, base + size_t(i) * stride + I.imm + u64(v) * sizeof(T), sizeof(T));
            d[i] = D(t);
        });
    }
}
template <class T, class D>
static void exec_st_fparam(Ctx& c, const Inst& I) {
    u8* base = c.frame->params.data();
    size_t stride = c.prog->param_bytes;
    for (int v = 0; v < I.nv; v++) {
        const D* s = slot<D>(c, I.o[v]);
        for_lanes(c.mask, [&](int i) {
            T t = T(s[i]);
            memcpy(base + size_t(i) * stride + I.imm + u64(v) * sizeof(T), &t, sizeof(T));
        });
    }
}

static void exec_ld128(Ctx& c, const Inst& I) {  // .b128 registers: low halves, then high halves
    Access x;
    resolve(c, I, 5, 16, false, x);
    u64* d = slot<u64>(c, I.o[0]);
    for_lanes(c.mask, [&](int i) {
        memcpy(&d[i], reinterpret_cast<void*>(x.a[i]), 8);
        memcpy(&d[i + kWarp], reinterpret_cast<void*>(x.a[i] + 8), 8);
    });
}
static void exec_st128(Ctx& c, const Inst& I) {
    Access x;
    resolve(c, I, 5, 16, true, x);
    const u64* s = slot<u64>(c, I.o[0]);
    for_lanes(c.mask, [&](int i) {
        memcpy(reinterpret_cast<void*>(x.a[i]), &s[i], 8);
        memcpy(reinterpret_cast<void*>(x.a[i] + 8), &s[i + kWarp], 8);
    });
}

static bool is_signed(Ty t) { return t == Ty::S8 || t == Ty::S16 || t == Ty::S32 || t == Ty::S64; }

#define PICK(fnname, T_, D_) fnname<T_, D_>
#define SELECT(fnname)                                                     \
    static ExecFn pick_##fnname(int size, bool sgn, bool wide) {           \
        switch (size) {                                                    \
            case 1:                                                        \
                return sgn ? (wide ? fnname<i8, u64> : fnname<i8, u32>)    \
                           : (wide ? fnname<u8, u64> : fnname<u8, u32>);   \
            case 2:                                                        \
                return sgn ? (wide ? fnname<i16, u64> : fnname<i16, u32>)  \
                           : (wide ? fnname<u16, u64> : fnname<u16, u32>); \
            case 4:                                                        \
                return sgn ? (wide ? fnname<i32, u64> : fnname<u32, u32>)  \
                           : (wide ? fnname<u32, u64> : fnname<u32, u32>); \
            default: return fnname<u64, u64>;                              \
        }                                                                  \
    }
SELECT(exec_ld)
SELECT(exec_st)
SELECT(exec_ld_kparam)
SELECT(exec_ld_fparam)
SELECT(exec_st_fparam)

// ---- atomics ----------------------------------------------------------------------------------

enum class AOp : u8 { Add, Min, Max, And, Or, Xor, Exch, Cas, Inc, Dec };

template <class T>
static T apply_int(AOp op, T a, T b) {
    switch (op) {
        case AOp::Add: return T(std::make_unsigned_t<T>(a) + std::make_unsigned_t<T>(b));
        case AOp::Min: return std::min(a, b);
        case AOp::Max: return std::max(a, b);
        case AOp::And: return a & b;
        case AOp::Or: return a | b;
        case AOp::Xor: return a ^ b;
        case AOp::Inc: return a >= b ? T(0) : T(a + 1);
        case AOp::Dec: return (a == 0 || a > b) ? b : T(a - 1);
        default: return b;
    }
}
template <class F>
static F apply_fp(AOp op, F a, F b) {
    switch (op) {
        case AOp::Add: return a + b;
        case AOp::Min: return std::isnan(a) ? b : std::isnan(b) ? a : std::min(a, b);
        case AOp::Max: return std::isnan(a) ? b : std::isnan(b) ? a : std::max(a, b);
        default: return b;
    }
}
static u64 apply(AOp op, Ty t, u64 a, u64 b) {
    auto half2 = [&](auto f) {
        return u64(u32(f(u16(a), u16(b))) | u32(f(u16(a >> 16), u16(b >> 16))) << 16);
    };
    auto h = [&](u16 x, u16 y) {
        return f64_to_f16(apply_fp<double>(op, f16_to_f32(x), f16_to_f32(y)), Rnd::RN);
    };
    auto bf = [&](u16 x, u16 y) {
        return f64_to_bf16(apply_fp<double>(op, bf16_to_f32(x), bf16_to_f32(y)), Rnd::RN);
    };
    switch (t) {
        case Ty::U32:
        case Ty::B32: return apply_int<u32>(op, u32(a), u32(b));
        case Ty::S32: return u32(apply_int<i32>(op, i32(a), i32(b)));
        case Ty::U64:
        case Ty::B64: return apply_int<u64>(op, a, b);
        case Ty::S64: return u64(apply_int<i64>(op, i64(a), i64(b)));
        case Ty::B16:
        case Ty::U16: return apply_int<u16>(op, u16(a), u16(b));
        case Ty::F32: return fbits(apply_fp(op, bitsf(u32(a)), bitsf(u32(b))));
        case Ty::F64: return dbits(apply_fp(op, bitsd(a), bitsd(b)));
        case Ty::F16: return h(u16(a), u16(b));
        case Ty::BF16: return bf(u16(a), u16(b));
        case Ty::F16x2: return half2(h);
        case Ty::BF16x2: return half2(bf);
        default: return b;
    }
}

template <class U>
static U rmw(u64 addr, AOp op, Ty t, U b, U cas) {
    U* p = reinterpret_cast<U*>(addr);
    if (op == AOp::Cas) {
        U old = cas;
        __atomic_compare_exchange_n(p, &old, b, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
        return old;
    }
    U old = __atomic_load_n(p, __ATOMIC_RELAXED);
    for (;;) {
        U nv = U(apply(op, t, old, b));
        if (__atomic_compare_exchange_n(p, &old, nv, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
            return old;
    }
}

// o[0..3] dst (or none), ext: sources (nv), then for cas the compare value in ext[1]
static void exec_atom(Ctx& c, const Inst& I) {
    Access x;
    u32 bytes = u32(I.esz) * I.nv;
    resolve(c, I, 5, bytes, true, x);
    AOp op = AOp(I.sub);
    Ty t = Ty(I.sub2);
    if (c.stats) c.worker->st.atomics_lanes += u64(std::popcount(c.mask));
    const u32* ext = c.prog->ext.data() + I.ext;
    for_lanes(c.mask, [&](int i) {
        if (c.check && (x.shared >> i & 1)) race_access(c, i, x.soff[i], bytes, true, true, false);
        for (int v = 0; v < I.nv; v++) {
            u64 a = x.a[i] + u64(v) * I.esz;
            u64 old;
            if (I.esz == 8) {
                u64 b = slot<u64>(c, ext[v])[i];
                if (op == AOp::Cas)
                    old = rmw<u64>(a, op, t, slot<u64>(c, ext[1])[i], b);
                else
                    old = rmw<u64>(a, op, t, b, 0);
                if (I.o[v] != kNoSlot) slot<u64>(c, I.o[v])[i] = old;
            } else if (I.esz == 2) {
                u16 b = u16(slot<u32>(c, ext[v])[i]);
                if (op == AOp::Cas)
                    old = rmw<u16>(a, op, t, u16(slot<u32>(c, ext[1])[i]), b);
                else
                    old = rmw<u16>(a, op, t, b, 0);
                if (I.o[v] != kNoSlot) slot<u32>(c, I.o[v])[i] = u32(old);
            } else {
                u32 b = slot<u32>(c, ext[v])[i];
                if (op == AOp::Cas)
                    old = rmw<u32>(a, op, t, slot<u32>(c, ext[1])[i], b);
                else
                    old = rmw<u32>(a, op, t, b, 0);
                if (I.o[v] != kNoSlot) slot<u32>(c, I.o[v])[i] = u32(old);
            }
        }
    });
}

// 128-bit exchange / compare-and-swap: blocks run on several host threads, so use a lock.
static std::mutex g_b128;
static void exec_atom128(Ctx& c, const Inst& I) {
    Access x;
    resolve(c, I, 5, 16, true, x);
    const u32* ext = c.prog->ext.data() + I.ext;
    std::lock_guard lk(g_b128);
    for_lanes(c.mask, [&](int i) {
        u64* p = reinterpret_cast<u64*>(x.a[i]);
        u64 old[2] = {p[0], p[1]};
        const u64* b = slot<u64>(c, ext[0]);
        if (AOp(I.sub) == AOp::Cas) {
            const u64* n = slot<u64>(c, ext[1]);
            if (old[0] == b[i] && old[1] == b[i + kWarp]) p[0] = n[i], p[1] = n[i + kWarp];
        } else {
            p[0] = b[i], p[1] = b[i + kWarp];
        }
        u64* d = slot<u64>(c, I.o[0]);
        d[i] = old[0], d[i + kWarp] = old[1];
    });
}

// ---- address space conversions ----------------------------------------------------------------

static void exec_add_imm64(Ctx& c, const Inst& I) {
    u64* d = slot<u64>(c, I.o[0]);
    const u64* a = slot<u64>(c, I.o[1]);
    for_lanes(c.mask, [&](int i) { d[i] = a[i] + u64(I.imm); });
}
static void exec_isspacep(Ctx& c, const Inst& I) {
    const u64* a = slot<u64>(c, I.o[1]);
    u32 r = 0;
    for (int i = 0; i < kWarp; i++) {
        bool sh = a[i] - kSharedWindow < kSharedWindowSize,
             lo = a[i] - kLocalWindow < kLocalWindowSize;
        bool v = I.space == Space::Shared   ? sh
                 : I.space == Space::Local  ? lo
                 : I.space == Space::Global ? !sh && !lo
                                            : false;
        r |= u32(v) << i;
    }
    set_pred(c, I.o[0], r);
}
static void exec_kparam_addr(Ctx& c, const Inst& I) {
    u64* d = slot<u64>(c, I.o[0]);
    for_lanes(c.mask, [&](int i) { d[i] = u64(c.launch->params.data()) + u64(I.imm); });
}
// mapa: the same offset in the shared memory of another CTA of the cluster.
static void exec_mapa32(Ctx& c, const Inst& I) {
    u32* d = slot<u32>(c, I.o[0]);
    const u32* a = slot<u32>(c, I.o[1]);
    const u32* r = slot<u32>(c, I.o[2]);
    for_lanes(c.mask,
              [&](int i) { d[i] = a[i] % u32(kClusterStride) + (r[i] + 1) * u32(kClusterStride); });
}
static void exec_mapa64(Ctx& c, const Inst& I) {
    u64* d = slot<u64>(c, I.o[0]);
    const u64* a = slot<u64>(c, I.o[1]);
    const u32* r = slot<u32>(c, I.o[2]);
    u64 base = I.sub ? 0 : kSharedWindow;
    for_lanes(c.mask, [&](int i) {
        d[i] = base + (a[i] - base) % kClusterStride + (r[i] + 1) * kClusterStride;
    });
}
static void exec_getctarank(Ctx& c, const Inst& I) {
    u32* d = slot<u32>(c, I.o[0]);
    for_lanes(c.mask, [&](int i) {
        u64 a =
            I.a64 ? slot<u64>(c, I.o[1])[i] - (I.sub ? 0 : kSharedWindow) : slot<u32>(c, I.o[1])[i];
        d[i] = a >= kClusterStride ? u32(a / kClusterStride) - 1 : c.block->cluster_rank;
    });
}
static void exec_none(Ctx&, const Inst&) {}
static void exec_zero64(Ctx& c, const Inst& I) {
    u64* d = slot<u64>(c, I.o[0]);
    for_lanes(c.mask, [&](int i) { d[i] = 0; });
}

// ---- decoding ---------------------------------------------------------------------------------

static bool parse_space(const std::string& p, Space& s) {
    if (p == "global")
        s = Space::Global;
    else if (p == "const")
        s = Space::Const;
    else if (p == "shared" || p == "shared::cta" || p == "shared::cluster")
        s = Space::Shared;
    else if (p == "local")
        s = Space::Local;
    else if (p == "param" || p == "param::entry" || p == "param::func")
        s = Space::Param;
    else
        return false;
    return true;
}

struct MemOp {
    Space space = Space::Generic;
    Ty type = Ty::None;
    int vec = 1;
    bool sync = false;
};
static MemOp parse_mem(const ptx::Instr& in) {
    MemOp m;
    for (size_t i = 1; i < in.parts.size(); i++) {
        const std::string& p = in.parts[i];
        Space s;
        if (parse_space(p, s))
            m.space = s;
        else if (p == "v2")
            m.vec = 2;
        else if (p == "v4")
            m.vec = 4;
        else if (p == "v8")
            m.vec = 8;
        else if (p == "volatile" || p == "relaxed" || p == "acquire" || p == "release" ||
                 p == "acq_rel" || p == "mmio")
            m.sync = true;
        else {
            Ty t = ptx::parse_type(p);
            if (t != Ty::None) m.type = t;
        }
    }
    return m;
}

static bool decode_ldst(Decoder& d, const ptx::Instr& in, Inst& I, bool load) {
    MemOp m = parse_mem(in);
    if (m.type == Ty::None) return false;
    int size = ptx::type_size(m.type);
    const Operand& data = in.ops[load ? 0 : 1];
    const Operand& addr = in.ops[load ? 1 : 0];
    I.space = m.space;
    I.nv = u8(m.vec);
    I.esz = u8(size);
    if (m.sync) I.flags |= kSyncAccess;
    bool wide = size == 8;
    const Operand& first = data.kind == Operand::Vec ? data.elems[0] : data;
    for (auto& e : data.kind == Operand::Vec ? data.elems : std::vector<Operand>{data})
        if (e.kind == Operand::Reg) {
            wide = d.reg_width(e) == 8;
            break;
        }
    (void)first;
    auto reg_of = [&](const Operand& o) {
        if (!load) return d.src_w(o, wide ? 8 : 4);
        return d.dst(o);
    };
    if (size == 16) {
        I.fn = load ? exec_ld128 : exec_st128;
        I.o[0] = load ? d.dst(data) : d.src_w(data, 8);
        d.address(addr, I, 5);
        I.cls = load ? Cls::LdGlobal : Cls::StGlobal;
        return true;
    }
    if (data.kind == Operand::Vec) {
        if (int(data.elems.size()) != m.vec) d.unsupported(in, "vector width mismatch");
        if (m.vec <= 4) {
            for (int v = 0; v < m.vec; v++) I.o[v] = reg_of(data.elems[size_t(v)]);
        } else {
            I.ext = d.ext_begin();
            for (auto& e : data.elems) d.ext_push(reg_of(e));
        }
    } else {
        I.o[0] = reg_of(data);
    }
    bool sgn = is_signed(m.type);
    if (m.space == Space::Param && addr.var) {
        if (addr.reg >= 0) d.unsupported(in, "indexed parameter");
        I.imm = i64(d.param_offset(addr.var)) + addr.imm;
        I.cls = Cls::Other;
        if (d.is_kernel_param(addr.var)) {
            if (!load) return false;
            I.fn = pick_exec_ld_kparam(size, sgn, wide);
        } else {
            I.fn = load ? pick_exec_ld_fparam(size, sgn, wide)
                        : pick_exec_st_fparam(size, false, wide);
        }
        return true;
    }
    d.address(addr, I, 5);
    I.fn = load ? pick_exec_ld(size, sgn, wide) : pick_exec_st(size, false, wide);
    I.cls = m.space == Space::Shared  ? (load ? Cls::LdShared : Cls::StShared)
            : m.space == Space::Local ? Cls::LdStLocal
                                      : (load ? Cls::LdGlobal : Cls::StGlobal);
    return true;
}

static bool decode_atomic(Decoder& d, const ptx::Instr& in, Inst& I) {
    bool red = in.parts[0] == "red";
    if (in.has("async")) return false;
    MemOp m = parse_mem(in);
    static const std::pair<const char*, AOp> ops[] = {
        {"add", AOp::Add}, {"min", AOp::Min}, {"max", AOp::Max},   {"and", AOp::And},
        {"or", AOp::Or},   {"xor", AOp::Xor}, {"exch", AOp::Exch}, {"cas", AOp::Cas},
        {"inc", AOp::Inc}, {"dec", AOp::Dec}};
    bool found = false;
    for (auto& [n, o] : ops)
        if (in.has(n)) I.sub = u8(o), found = true;
    if (!found || m.type == Ty::None) return false;
    int size = ptx::type_size(m.type);
    I.sub2 = u8(m.type);
    I.space = m.space;
    I.nv = u8(m.vec);
    I.esz = u8(size);
    I.cls = Cls::Atomic;
    I.fn = size == 16 ? exec_atom128 : exec_atom;
    size_t k = 0;
    if (!red) {
        const Operand& o = in.ops[k++];
        if (o.kind == Operand::Vec)
            for (size_t v = 0; v < o.elems.size(); v++) I.o[v] = d.dst(o.elems[v]);
        else
            I.o[0] = d.dst(o);
    }
    if (m.vec > 4) d.unsupported(in, "vector atomics wider than 4");
    d.address(in.ops[k++], I, 5);
    std::vector<u32> srcs;
    for (; k < in.ops.size(); k++) {
        const Operand& o = in.ops[k];
        if (o.kind == Operand::Vec)
            for (auto& e : o.elems) srcs.push_back(d.src(e, m.type));
        else
            srcs.push_back(d.src_w(o, size <= 4 ? 4 : 8));
    }
    I.ext = d.ext_begin();
    for (u32 s : srcs) d.ext_push(s);
    return true;
}

bool decode_mem(Decoder& d, const ptx::Instr& in, Inst& I) {
    const std::string& op = in.parts[0];
    if (op == "ld" || op == "ldu") return decode_ldst(d, in, I, true);
    if (op == "st") {
        if (in.has("async") || in.has("bulk")) return false;
        return decode_ldst(d, in, I, false);
    }
    if (op == "atom" || op == "red") return decode_atomic(d, in, I);
    if (op == "cvta") {
        bool to = in.parts[1] == "to";
        Space s = Space::Generic;
        if (!parse_space(in.parts[to ? 2 : 1], s)) return false;
        if (s == Space::Param && in.ops[1].kind == Operand::Sym) {
            I.fn = exec_kparam_addr;
            I.o[0] = d.dst(in.ops[0]);
            I.imm = i64(d.param_offset(in.ops[1].var)) + in.ops[1].imm;
            return true;
        }
        i64 w = s == Space::Shared ? i64(kSharedWindow) : s == Space::Local ? i64(kLocalWindow) : 0;
        I.fn = exec_add_imm64;
        I.imm = to ? -w : w;
        I.o[0] = d.dst(in.ops[0]);
        I.o[1] = d.src_w(in.ops[1], 8);
        if (in.ops[1].kind == Operand::Sym && s == Space::Local && !d.function().entry)
            d.unsupported(in, "cvta.local of a symbol in a device function");
        return true;
    }
    if (op == "isspacep") {
        if (!parse_space(in.parts[1], I.space)) return false;
        I.fn = exec_isspacep;
        I.o[0] = d.pred_dst(in.ops[0]);
        I.o[1] = d.src_w(in.ops[1], 8);
        return true;
    }
    if (op == "mapa") {
        bool w = in.parts.back() == "u64";
        I.fn = w ? exec_mapa64 : exec_mapa32;
        I.sub = in.has("shared::cluster");
        I.o[0] = d.dst(in.ops[0]);
        I.o[1] = d.src_w(in.ops[1], w ? 8 : 4);
        I.o[2] = d.src_w(in.ops[2], 4);
        return true;
    }
    if (op == "getctarank") {
        I.a64 = in.parts.back() == "u64";
        I.sub = in.has("shared::cluster");
        I.fn = exec_getctarank;
        I.o[0] = d.dst(in.ops[0]);
        I.o[1] = d.src_w(in.ops[1], I.a64 ? 8 : 4);
        return true;
    }
    if (op == "prefetch" || op == "prefetchu" || op == "applypriority" || op == "discard") {
        I.fn = exec_none;
        I.cls = Cls::Other;
        return true;
    }
    if (op == "createpolicy") {
        I.fn = exec_zero64;
        I.o[0] = d.dst(in.ops[0]);
        return true;
    }
    if (op == "mov" && in.ops[1].kind == Operand::Sym && in.ops[1].var->space == Space::Param &&
        d.is_kernel_param(in.ops[1].var)) {
        I.fn = exec_kparam_addr;
        I.o[0] = d.dst(in.ops[0]);
        I.imm = i64(d.param_offset(in.ops[1].var)) + in.ops[1].imm;
        return true;
    }
    return false;
}

}  // namespace emu
