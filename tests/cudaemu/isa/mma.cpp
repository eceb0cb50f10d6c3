// Tensor-core instructions: mma.sync and wmma.load/mma/store.
#include <algorithm>
#include <map>

#include "tests/cudaemu/decode/decode.h"
#include "tests/cudaemu/isa/fp.h"
#include "tests/cudaemu/machine/access.h"

namespace emu {

using ptx::Operand;
using ptx::Ty;

namespace {

// Where each element of a fragment sits in its matrix.
struct FragMap {
    int rows = 0, cols = 0, n = 0;  // n elements per lane
    u8 r[kWarp][64], c[kWarp][64];
};

struct MmaTable {
    int m, n, k;
    FragMap a, b, c;
};

template <class F>
FragMap make_map(int rows, int cols, int n, F&& f) {
    FragMap m;
    m.rows = rows;
    m.cols = cols;
    m.n = n;
    for (int l = 0; l < kWarp; l++)
        for (int i = 0; i < n; i++) {
            auto [r, c] = f(l >> 2, l & 3, i);
            m.r[l][i] = u8(r);
            m.c[l][i] = u8(c);
        }
    return m;
}

// Fragment layouts of mma.sync from the PTX ISA; `bits` is the operand element size.
const MmaTable* mma_table(int m, int n, int k, int bits) {
    static std::map<std::tuple<int, int, int, int>, MmaTable> cache;
    static std::mutex mu;
    std::lock_guard lk(mu);
    auto key = std::make_tuple(m, n, k, bits);
    auto it = cache.find(key);
    if (it != cache.end()) return &it->second;
    if (n != 8 || (m != 8 && m != 16)) return nullptr;
    using P = std::pair<int, int>;
    MmaTable t{m, n, k, {}, {}, {}};
    int pack = bits == 64 || bits == 32 ? 1 : 32 / bits;  // consecutive k elements per register
    int per = pack * 4;  // k elements covered by one register of a lane group
    if (k % per) return nullptr;
    int na = m * k / 32, nb = k * 8 / 32;
    // A: registers alternate between rows g and g+8 (m16), then advance along k.
    t.a = make_map(m, k, na, [&](int g, int tt, int i) {
        int reg = i / pack, e = i % pack;
        int half = m == 16 ? reg & 1 : 0, kk = m == 16 ? reg >> 1 : reg;
        return P(g + 8 * half, kk * per + tt * pack + e);
    });
    t.b = make_map(k, 8, nb, [&](int g, int tt, int i) {
        int reg = i / pack, e = i % pack;
        return P(reg * per + tt * pack + e, g);
    });
    t.c = make_map(m, 8, m * 8 / 32,
                   [&](int g, int tt, int i) { return P(g + 8 * (i >> 1), tt * 2 + (i & 1)); });
    return &(cache[key] = t);
}

// Layout used for wmma fragments (opaque to programs): the m16n8k16 order for 16x16 matrices,
// otherwise row-major runs; fragments larger than the matrix hold copies.
const FragMap* wmma_map(int rows, int cols, int n) {
    static std::map<std::tuple<int, int, int>, FragMap> cache;
    static std::mutex mu;
    std::lock_guard lk(mu);
    auto key = std::make_tuple(rows, cols, n);
    auto it = cache.find(key);
    if (it != cache.end()) return &it->second;
    using P = std::pair<int, int>;
    int uniq = rows * cols / 32;
    FragMap m;
    if (rows == 16 && cols == 16)
        m = make_map(rows, cols, n, [&](int g, int t, int i) {
            i %= 8;
            return P(g + 8 * (i >> 1 & 1), t * 2 + (i & 1) + 8 * (i >> 2));
        });
    else
        m = make_map(rows, cols, n, [&](int g, int t, int i) {
            int e = (g * 4 + t) * uniq + i % uniq;
            return P(e / cols, e % cols);
        });
    return &(cache[key] = m);
}

enum class El : u8 { F16, BF16, TF32, F64, S8, U8, S4, U4, E4M3, E5M2, F32, S32, B1 };
El element(Ty t, const std::string& s) {
    if (s == "s4") return El::S4;
    if (s == "u4") return El::U4;
    switch (t) {
        case Ty::F16: return El::F16;
        case Ty::BF16: return El::BF16;
        case Ty::TF32: return El::TF32;
        case Ty::F64: return El::F64;
        case Ty::S8: return El::S8;
        case Ty::U8: return El::U8;
        case Ty::E4M3: return El::E4M3;
        case Ty::E5M2: return El::E5M2;
        case Ty::F32: return El::F32;
        case Ty::S32: return El::S32;
        default: return El::B1;
    }
}
int el_bits(El e) {
    switch (e) {
        case El::F16:
        case El::BF16: return 16;
        case El::F64: return 64;
        case El::S8:
        case El::U8:
        case El::E4M3:
        case El::E5M2: return 8;
        case El::S4:
        case El::U4: return 4;
        default: return 32;
    }
}

inline float load_float(El e, u32 w, int sub) {
    switch (e) {
        case El::F16: return f16_to_f32(u16(w >> (16 * sub)));
        case El::BF16: return bf16_to_f32(u16(w >> (16 * sub)));
        case El::TF32: return tf32_operand(w);
        case El::E4M3: return e4m3_to_f32(u8(w >> (8 * sub)));
        case El::E5M2: return e5m2_to_f32(u8(w >> (8 * sub)));
        default: return bitsf(w);
    }
}
inline i32 load_int(El e, u32 w, int sub) {
    switch (e) {
        case El::S8: return i8(w >> (8 * sub));
        case El::U8: return u8(w >> (8 * sub));
        case El::S4: return i32(w << (28 - 4 * sub)) >> 28;
        case El::U4: return i32(w >> (4 * sub) & 15);
        default: return i32(w);
    }
}

// Copies a fragment into a dense matrix.
template <El E>
void gather_f(Ctx& c, const u32* regs, const FragMap& m, float* out, int ld) {
    constexpr int pack = E == El::F16 || E == El::BF16 ? 2 : E == El::E4M3 || E == El::E5M2 ? 4 : 1;
    for (int i = 0; i < m.n; i += pack) {
        const u32* s = slot<u32>(c, regs[i / pack]);
        for (int l = 0; l < kWarp; l++)
            for (int e = 0; e < pack; e++)
                out[m.r[l][i + e] * ld + m.c[l][i + e]] = load_float(E, s[l], e);
    }
}
void gather_float(Ctx& c, El e, const u32* regs, const FragMap& m, float* out, int ld) {
    switch (e) {
        case El::F16: return gather_f<El::F16>(c, regs, m, out, ld);
        case El::BF16: return gather_f<El::BF16>(c, regs, m, out, ld);
        case El::TF32: return gather_f<El::TF32>(c, regs, m, out, ld);
        case El::E4M3: return gather_f<El::E4M3>(c, regs, m, out, ld);
        case El::E5M2: return gather_f<El::E5M2>(c, regs, m, out, ld);
        default: return gather_f<El::F32>(c, regs, m, out, ld);
    }
}
void gather_int(Ctx& c, El e, const u32* regs, const FragMap& m, i32* out, int ld) {
    int pack = 32 / el_bits(e);
    for (int i = 0; i < m.n; i++) {
        const u32* s = slot<u32>(c, regs[i / pack]);
        for (int l = 0; l < kWarp; l++)
            out[m.r[l][i] * ld + m.c[l][i]] = load_int(e, s[l], i % pack);
    }
}

// Everything a tensor instruction needs besides its operands.
struct MmaOp {
    const FragMap *a, *b, *c;
    int m, n, k;
    El ea, eb, ec, ed;
    u32 oa, ob, oc;  // offsets of A, B, C registers in ext (D first)
    bool sat = false, relu = false;
};
std::vector<std::unique_ptr<MmaOp>>& mma_ops() {
    static auto* v = new std::vector<std::unique_ptr<MmaOp>>;
    return *v;
}
std::mutex g_ops_mu;

void exec_mma_float(Ctx& c, const Inst& I) {
    const MmaOp& p = *reinterpret_cast<const MmaOp*>(I.imm);
    const u32* ext = c.prog->ext.data() + I.ext;
    alignas(64) float A[32 * 32], B[32 * 32], C[32 * 32];
    const int N = p.n, K = p.k;
    gather_float(c, p.ea, ext + p.oa, *p.a, A, K);
    gather_float(c, p.eb, ext + p.ob, *p.b, B, N);
    gather_float(c, p.ec, ext + p.oc, *p.c, C, N);
    for (int m = 0; m < p.m; m++) {
        for (int n0 = 0; n0 < N; n0 += 8) {
            float acc[8];
            for (int j = 0; j < 8; j++) acc[j] = C[m * N + n0 + j];
            for (int k = 0; k < K; k++) {
                float a = A[m * K + k];
                const float* b = B + k * N + n0;
                for (int j = 0; j < 8; j++) acc[j] = __builtin_fmaf(a, b[j], acc[j]);
            }
            for (int j = 0; j < 8; j++) C[m * N + n0 + j] = acc[j];
        }
    }
    const FragMap& mc = *p.c;
    if (p.ed == El::F16) {
        for (int i = 0; i < mc.n; i += 2) {
            u32* d = slot<u32>(c, ext[i / 2]);
            for (int l = 0; l < kWarp; l++) {
                auto h = [&](int e) -> u32 {
                    float f = C[mc.r[l][e] * N + mc.c[l][e]];
                    return std::isnan(f) ? 0x7fff : f32_to_f16_rn(f);
                };
                d[l] = h(i) | h(i + 1) << 16;
            }
        }
    } else {
        for (int i = 0; i < mc.n; i++) {
            float* d = slot<float>(c, ext[i]);
            for (int l = 0; l < kWarp; l++) d[l] = C[mc.r[l][i] * N + mc.c[l][i]];
        }
    }
}

// The common shapes (m16n8k16 f16/bf16, m16n8k8 f16/bf16/tf32, f32 accumulators). A register of the A fragment
// is, over the 32 lanes, an 8 x 8 (8 x 4 for tf32) row-major tile; one of B the same with rows = columns of B.
template <El E, int K>
void exec_mma_fast(Ctx& c, const Inst& I) {
    constexpr int W = E == El::TF32 ? 4 : 8;  // tile width
    const u32* ext = c.prog->ext.data() + I.ext;
    alignas(32) float A[16 * K], B[K * 8], C[16 * 8], T[8 * W];
    auto tile = [](const u32* s, float* t) {
        if constexpr (E == El::TF32) {
            for (int i = 0; i < 32; i++) t[i] = tf32_operand(s[i]);
        } else if constexpr (E == El::BF16) {
            for (int i = 0; i < 32; i++)
                t[2 * i] = bitsf(s[i] << 16), t[2 * i + 1] = bitsf(s[i] & 0xffff0000u);
        } else {
            for (int i = 0; i < 8; i++)
                _mm256_store_ps(
                    t + 8 * i,
                    _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(s + 4 * i))));
        }
    };
    constexpr int NA = 2 * K / W, NB = K / W;
    for (int r = 0; r < NA; r++) {
        tile(slot<u32>(c, ext[4 + r]), T);
        float* a = A + (r & 1) * 8 * K + (r >> 1) * W;
        for (int g = 0; g < 8; g++)
            for (int j = 0; j < W; j++) a[g * K + j] = T[g * W + j];
    }
    for (int r = 0; r < NB; r++) {
        tile(slot<u32>(c, ext[4 + NA + r]), T);
        for (int k = 0; k < W; k++)
            for (int g = 0; g < 8; g++) B[(r * W + k) * 8 + g] = T[g * W + k];
    }
    for (int h = 0; h < 2; h++) {
        const float *c0 = slot<float>(c, ext[4 + NA + NB + 2 * h]),
                    *c1 = slot<float>(c, ext[4 + NA + NB + 2 * h + 1]);
        for (int l = 0; l < 32; l++) C[h * 64 + 2 * l] = c0[l], C[h * 64 + 2 * l + 1] = c1[l];
    }
    for (int m = 0; m < 16; m += 4) {
        __m256 acc[4];
        for (int r = 0; r < 4; r++) acc[r] = _mm256_load_ps(C + (m + r) * 8);
        for (int k = 0; k < K; k++) {
            __m256 b = _mm256_load_ps(B + k * 8);
            for (int r = 0; r < 4; r++)
                acc[r] = _mm256_fmadd_ps(_mm256_set1_ps(A[(m + r) * K + k]), b, acc[r]);
        }
        for (int r = 0; r < 4; r++) _mm256_store_ps(C + (m + r) * 8, acc[r]);
    }
    for (int h = 0; h < 2; h++) {
        float *d0 = slot<float>(c, ext[2 * h]), *d1 = slot<float>(c, ext[2 * h + 1]);
        for (int l = 0; l < 32; l++) d0[l] = C[h * 64 + 2 * l], d1[l] = C[h * 64 + 2 * l + 1];
    }
}

void exec_mma_int(Ctx& c, const Inst& I) {
    const MmaOp& p = *reinterpret_cast<const MmaOp*>(I.imm);
    const u32* ext = c.prog->ext.data() + I.ext;
    alignas(64) i32 A[32 * 64], B[64 * 32], C[32 * 32];
    const int N = p.n, K = p.k;
    gather_int(c, p.ea, ext + p.oa, *p.a, A, K);
    gather_int(c, p.eb, ext + p.ob, *p.b, B, N);
    gather_int(c, El::S32, ext + p.oc, *p.c, C, N);
    for (int m = 0; m < p.m; m++)
        for (int n = 0; n < N; n++) {
            i64 s = C[m * N + n];
            for (int k = 0; k < K; k++) s += i64(A[m * K + k]) * B[k * N + n];
            C[m * N + n] = p.sat ? i32(std::clamp<i64>(s, INT32_MIN, INT32_MAX)) : i32(u32(u64(s)));
        }
    for (int i = 0; i < p.c->n; i++) {
        i32* d = slot<i32>(c, ext[i]);
        for (int l = 0; l < kWarp; l++) d[l] = C[p.c->r[l][i] * N + p.c->c[l][i]];
    }
}

void exec_mma_f64(Ctx& c, const Inst& I) {
    const MmaOp& p = *reinterpret_cast<const MmaOp*>(I.imm);
    const u32* ext = c.prog->ext.data() + I.ext;
    double A[16 * 16], B[16 * 8], C[16 * 8];
    auto gather = [&](const FragMap& f, const u32* regs, double* out, int ld) {
        for (int i = 0; i < f.n; i++)
            for (int l = 0; l < kWarp; l++)
                out[f.r[l][i] * ld + f.c[l][i]] = slot<double>(c, regs[i])[l];
    };
    gather(*p.a, ext + p.oa, A, p.k);
    gather(*p.b, ext + p.ob, B, 8);
    gather(*p.c, ext + p.oc, C, 8);
    for (int m = 0; m < p.m; m++)
        for (int n = 0; n < 8; n++) {
            double s = C[m * 8 + n];
            for (int k = 0; k < p.k; k++) s = __builtin_fma(A[m * p.k + k], B[k * 8 + n], s);
            C[m * 8 + n] = s;
        }
    for (int i = 0; i < p.c->n; i++)
        for (int l = 0; l < kWarp; l++)
            slot<double>(c, ext[i])[l] = C[p.c->r[l][i] * 8 + p.c->c[l][i]];
}

// wmma.load / wmma.store; ext: descriptor pointer, then the fragment registers; o[0] stride (elements).
struct WmmaMem {
    const FragMap* map;
    El el;
    bool store, colmajor;
};
void exec_wmma_ldst(Ctx& c, const Inst& I) {
    const WmmaMem& w = *reinterpret_cast<const WmmaMem*>(u64(c.prog->ext[I.ext]) |
                                                         u64(c.prog->ext[I.ext + 1]) << 32);
    const u32* regs = c.prog->ext.data() + I.ext + 2;
    u64 base[kWarp];
    lane_addresses(c, I, 5, base);
    const FragMap& m = *w.map;
    const u32* stride = I.o[0] == kNoSlot ? nullptr : slot<u32>(c, I.o[0]);
    int pack = I.esz >= 4 ? 1 : 4 / I.esz;
    bool shared = I.space == ptx::Space::Shared;
    for (int i = 0; i < m.n; i++) {
        u64 ga[kWarp];
        u32 sa[kWarp], gm = 0, sm = 0;
        for (int l = 0; l < kWarp; l++) {
            u64 ld = stride ? stride[l] : u64(w.colmajor ? m.rows : m.cols);
            u64 idx = w.colmajor ? m.c[l][i] * ld + m.r[l][i] : m.r[l][i] * ld + m.c[l][i];
            u64 addr = base[l] + idx * I.esz;
            bool sh = shared || addr - kSharedWindow < kSharedWindowSize;
            u32 off = shared ? u32(addr) : u32(addr - kSharedWindow);
            if (addr & (I.esz - 1u)) misaligned(c, l, addr, I.esz, "wmma");
            u8* ptr = sh ? shared_ptr(c, l, off, I.esz) : generic_ptr(c, l, addr, I.esz, w.store);
            if (sh)
                sa[l] = off, sm |= 1u << l;
            else
                ga[l] = addr, gm |= 1u << l;
            if (I.esz == 8) {
                u64* r = slot<u64>(c, regs[i]);
                if (w.store)
                    memcpy(ptr, &r[l], 8);
                else
                    memcpy(&r[l], ptr, 8);
                continue;
            }
            u32* r = slot<u32>(c, regs[i / pack]);
            int sft = (i % pack) * 8 * I.esz;
            u32 msk = I.esz == 4 ? ~0u : ((1u << (8 * I.esz)) - 1);
            if (w.store) {
                u32 v = r[l] >> sft & msk;
                if (c.check && sh)
                    race_access(c, l, off, I.esz, true, false, memcmp(ptr, &v, I.esz) == 0);
                memcpy(ptr, &v, I.esz);
            } else {
                u32 v = 0;
                if (c.check && sh) race_access(c, l, off, I.esz, false, false, false);
                memcpy(&v, ptr, I.esz);
                r[l] = (r[l] & ~(msk << sft)) | v << sft;
            }
        }
        if (c.stats && (i % pack) == 0) {
            if (gm) stats_global_access(c.worker->st, ga, gm, I.esz, w.store);
            if (sm) stats_shared_access(c.worker->st, sa, sm, I.esz);
        }
    }
}

bool parse_shape(const std::string& s, int& m, int& n, int& k) {
    return sscanf(s.c_str(), "m%dn%dk%d", &m, &n, &k) == 3;
}

size_t push_regs(Decoder& d, const Operand& o, bool dest, int width) {
    size_t n = 0;
    auto one = [&](const Operand& e) {
        d.ext_push(dest ? d.dst(e) : d.src_w(e, width));
        n++;
    };
    if (o.kind == Operand::Vec)
        for (auto& e : o.elems) one(e);
    else
        one(o);
    return n;
}

bool finish(Decoder& d, const ptx::Instr& in, Inst& I, MmaOp op) {
    int w = op.ea == El::F64 ? 8 : 4;
    I.ext = d.ext_begin();
    size_t nd = push_regs(d, in.ops[0], true, w);
    op.oa = u32(nd);
    op.ob = op.oa + u32(push_regs(d, in.ops[1], false, w));
    op.oc = op.ob + u32(push_regs(d, in.ops[2], false, w));
    size_t nc = push_regs(d, in.ops[3], false, w);
    auto regs = [&](const FragMap& f, El e) {
        return size_t(f.n) * size_t(std::min(el_bits(e), 64)) / (e == El::F64 ? 64 : 32);
    };
    if (nd != regs(*op.c, op.ed) || nc != regs(*op.c, op.ec) ||
        op.ob - op.oa != regs(*op.a, op.ea) || op.oc - op.ob != regs(*op.b, op.eb))
        d.unsupported(in, "fragment register count");
    I.fn = op.ea == El::F64 ? exec_mma_f64 : op.ed == El::S32 ? exec_mma_int : exec_mma_float;
    I.kind = Kind::Sync;
    I.cls = Cls::Tensor;
    I.flops = u32(2 * op.m * op.n * op.k);
    std::lock_guard lk(g_ops_mu);
    mma_ops().push_back(std::make_unique<MmaOp>(op));
    I.imm = i64(mma_ops().back().get());
    return true;
}

}  // namespace

bool decode_mma(Decoder& d, const ptx::Instr& in, Inst& I) {
    const std::string& op = in.parts[0];
    if (op != "mma" && op != "wmma") return false;
    int m = 0, n = 0, k = 0;
    std::vector<std::string> tn;
    for (size_t i = 1; i < in.parts.size(); i++) {
        const std::string& p = in.parts[i];
        if (parse_shape(p, m, n, k)) continue;
        if (p == "s4" || p == "u4" || ptx::parse_type(p) != Ty::None) tn.push_back(p);
        if (p == "sp" || p.substr(0, 3) == "sp:" || p == "block_scale" || p == "b1" || p == "xor")
            return false;
    }
    auto el = [&](size_t i) { return element(ptx::parse_type(tn[i]), tn[i]); };
    MmaOp mo{};
    mo.m = m;
    mo.n = n;
    mo.k = k;
    mo.sat = in.has("satfinite");
    if (op == "mma") {
        if (tn.size() != 4 || !in.has("row") || !in.has("col")) return false;
        mo.ed = el(0), mo.ea = el(1), mo.eb = el(2), mo.ec = el(3);
        const MmaTable* t = mma_table(m, n, k, el_bits(mo.ea));
        if (!t || (m == 8 && el_bits(mo.ea) == 16)) return false;
        mo.a = &t->a;
        mo.b = &t->b;
        mo.c = &t->c;
        if (!finish(d, in, I, mo)) return false;
        if (m == 16 && mo.ed == El::F32 && mo.ec == El::F32 && mo.ea == mo.eb) {
            if (mo.ea == El::BF16)
                I.fn = k == 16 ? exec_mma_fast<El::BF16, 16> : exec_mma_fast<El::BF16, 8>;
            if (mo.ea == El::F16)
                I.fn = k == 16 ? exec_mma_fast<El::F16, 16> : exec_mma_fast<El::F16, 8>;
            if (mo.ea == El::TF32 && k == 8) I.fn = exec_mma_fast<El::TF32, 8>;
        }
        return true;
    }
    // wmma
    const std::string& what = in.parts[1];
    auto frag_n = [&](char which, El e) {  // elements per lane
        int rows = which == 'a' ? m : which == 'b' ? k : m, cols = which == 'a' ? k : n;
        if (which != 'a' && which != 'b') return rows * cols / 32;
        if (e == El::F16) return 16;
        return rows * cols / 32;
    };
    if (what == "mma") {
        if (tn.size() == 2)
            mo.ed = el(0), mo.ec = el(1), mo.ea = mo.eb = El::F16;
        else if (tn.size() == 4)
            mo.ed = el(0), mo.ea = el(1), mo.eb = el(2), mo.ec = el(3);
        else
            return false;
        if (mo.ea == El::F64) {
            const MmaTable* t = mma_table(8, 8, 4, 64);
            mo.a = &t->a, mo.b = &t->b, mo.c = &t->c;
        } else {
            mo.a = wmma_map(m, k, frag_n('a', mo.ea));
            mo.b = wmma_map(k, n, frag_n('b', mo.eb));
            mo.c = wmma_map(m, n, m * n / 32);
        }
        return finish(d, in, I, mo);
    }
    if ((what == "load" || what == "store") && tn.size() == 1) {
        bool store = what == "store";
        char which = in.parts[2][0];
        El e = el(0);
        if (el_bits(e) < 8) return false;
        auto* w = new WmmaMem;
        w->el = e;
        w->store = store;
        w->colmajor = in.has("col");
        int rows = which == 'b' ? k : m, cols = which == 'a' ? k : n;
        if (e == El::F64) {
            const MmaTable* t = mma_table(8, 8, 4, 64);
            w->map = which == 'a' ? &t->a : which == 'b' ? &t->b : &t->c;
        } else {
            w->map = wmma_map(rows, cols, frag_n(which, e));
        }
        I.esz = u8(el_bits(e) / 8);
        I.ext = d.ext_begin();
        d.ext_push(u32(u64(w)));
        d.ext_push(u32(u64(w) >> 32));
        push_regs(d, in.ops[store ? 1 : 0], !store, I.esz == 8 ? 8 : 4);
        d.address(in.ops[store ? 0 : 1], I, 5);
        if (in.ops.size() > 2) I.o[0] = d.src_w(in.ops[2], 4);
        I.space =
            in.has("shared") || in.has("shared::cta") ? ptx::Space::Shared : ptx::Space::Generic;
        I.fn = exec_wmma_ldst;
        I.kind = Kind::Sync;
        I.cls = I.space == ptx::Space::Shared ? (store ? Cls::StShared : Cls::LdShared)
                                              : (store ? Cls::StGlobal : Cls::LdGlobal);
        return true;
    }
    return false;
}

}  // namespace emu
