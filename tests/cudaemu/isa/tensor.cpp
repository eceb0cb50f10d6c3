#include "tests/cudaemu/isa/tensor.h"

#include <mutex>

#include "tests/cudaemu/machine/lanes.h"

namespace fovea::cudaemu {

using ptx::Operand;

bool parse_shape(const std::string& s, TensorProduct& p) {
    return sscanf(s.c_str(), "m%dn%dk%d", &p.m, &p.n, &p.k) == 3;
}

std::vector<std::string> element_types(const ptx::Instr& in) {
    std::vector<std::string> types;
    for (size_t i = 1; i < in.parts.size(); i++)
        if (element_of(in.parts[i]) != Element::Unknown) types.push_back(in.parts[i]);
    return types;
}

u32 push_registers(Decoder& d, const Operand& o, bool destination, int width) {
    const std::vector<Operand> registers =
        o.kind == Operand::Vec ? o.elems : std::vector<Operand>{o};
    for (const Operand& e : registers) d.ext_push(destination ? d.dst(e) : d.src_w(e, width));
    return u32(registers.size());
}

namespace {

const TensorProduct& product_of(const Instruction& I) {
    return *reinterpret_cast<const TensorProduct*>(I.imm);
}

// A fragment as a dense matrix of `cols` columns.
template <class T, class F>
void gather(Context& c, const u32* registers, const Fragment& f, Element e, int cols, F element,
            T* out) {
    const int pack = elements_per_register(e);
    for (int i = 0; i < f.n; i++) {
        const u32* s = slot<u32>(c, registers[i / pack]);
        for (int l = 0; l < kWarp; l++)
            out[f.r[l][i] * cols + f.c[l][i]] = element(e, s[l], i % pack);
    }
}

// The sums are fp32, fused, in the order of k.
void exec_float(Context& c, const Instruction& I) {
    const TensorProduct& p = product_of(I);
    const u32* registers = c.prog->ext.data() + I.ext;
    const int N = p.n, K = p.k;
    alignas(64) float A[32 * 32], B[32 * 32], C[32 * 32];
    gather(c, registers + p.first_a, *p.a, p.ta, K, float_element, A);
    gather(c, registers + p.first_b, *p.b, p.tb, N, float_element, B);
    gather(c, registers + p.first_c, *p.c, p.tc, N, float_element, C);
    for (int m = 0; m < p.m; m++)
        for (int n0 = 0; n0 < N; n0 += 8) {
            float* sums = C + m * N + n0;
            for (int k = 0; k < K; k++)
                for (int j = 0; j < 8; j++)
                    sums[j] = __builtin_fmaf(A[m * K + k], B[k * N + n0 + j], sums[j]);
        }

    const Fragment& f = *p.c;
    auto result = [&](int lane, int i) { return C[f.r[lane][i] * N + f.c[lane][i]]; };
    for (int i = 0; i < f.n; i += elements_per_register(p.td)) {
        u32* d = slot<u32>(c, registers[i / elements_per_register(p.td)]);
        for (int l = 0; l < kWarp; l++)
            d[l] = p.td == Element::F16
                       ? HalfF16::from(result(l, i)) | u32(HalfF16::from(result(l, i + 1))) << 16
                       : fbits(result(l, i));
    }
}

void exec_integer(Context& c, const Instruction& I) {
    const TensorProduct& p = product_of(I);
    const u32* registers = c.prog->ext.data() + I.ext;
    const int N = p.n, K = p.k;
    alignas(64) i32 A[32 * 64], B[64 * 32], C[32 * 32];
    gather(c, registers + p.first_a, *p.a, p.ta, K, integer_element, A);
    gather(c, registers + p.first_b, *p.b, p.tb, N, integer_element, B);
    gather(c, registers + p.first_c, *p.c, p.tc, N, integer_element, C);
    for (int m = 0; m < p.m; m++)
        for (int n = 0; n < N; n++) {
            i64 s = C[m * N + n];
            for (int k = 0; k < K; k++) s += i64(A[m * K + k]) * B[k * N + n];
            C[m * N + n] = i32(p.saturate ? std::clamp<i64>(s, INT32_MIN, INT32_MAX) : s);
        }
    for (int i = 0; i < p.c->n; i++) {
        i32* d = slot<i32>(c, registers[i]);
        for (int l = 0; l < kWarp; l++) d[l] = C[p.c->r[l][i] * N + p.c->c[l][i]];
    }
}

void exec_double(Context& c, const Instruction& I) {
    const TensorProduct& p = product_of(I);
    const u32* registers = c.prog->ext.data() + I.ext;
    const int N = p.n, K = p.k;
    double A[16 * 16], B[16 * 8], C[16 * 8];
    auto gather_doubles = [&](u32 first, const Fragment& f, int cols, double* out) {
        for (int i = 0; i < f.n; i++) {
            const double* s = slot<double>(c, registers[first + u32(i)]);
            for (int l = 0; l < kWarp; l++) out[f.r[l][i] * cols + f.c[l][i]] = s[l];
        }
    };
    gather_doubles(p.first_a, *p.a, K, A);
    gather_doubles(p.first_b, *p.b, N, B);
    gather_doubles(p.first_c, *p.c, N, C);
    for (int m = 0; m < p.m; m++)
        for (int n = 0; n < N; n++)
            for (int k = 0; k < K; k++)
                C[m * N + n] = __builtin_fma(A[m * K + k], B[k * N + n], C[m * N + n]);
    for (int i = 0; i < p.c->n; i++) {
        double* d = slot<double>(c, registers[i]);
        for (int l = 0; l < kWarp; l++) d[l] = C[p.c->r[l][i] * N + p.c->c[l][i]];
    }
}

// Instructions refer to them for as long as the process lives.
i64 keep(const TensorProduct& p) {
    static auto* products = new std::vector<std::unique_ptr<TensorProduct>>;
    static std::mutex mutex;
    std::lock_guard lock(mutex);
    products->push_back(std::make_unique<TensorProduct>(p));
    return i64(products->back().get());
}

}  // namespace

void decode_tensor_product(Decoder& d, const ptx::Instr& in, Instruction& I, TensorProduct p) {
    const int width = p.ta == Element::F64 ? 8 : 4;
    I.ext = d.ext_begin();
    const u32 nd = push_registers(d, in.ops[0], true, width);
    const u32 na = push_registers(d, in.ops[1], false, width);
    const u32 nb = push_registers(d, in.ops[2], false, width);
    const u32 nc = push_registers(d, in.ops[3], false, width);
    auto registers = [](const Fragment& f, Element e) {
        return u32(f.n / elements_per_register(e));
    };
    if (nd != registers(*p.c, p.td) || na != registers(*p.a, p.ta) || nb != registers(*p.b, p.tb) ||
        nc != registers(*p.c, p.tc))
        d.unsupported(in, "fragment register count");
    p.first_a = nd;
    p.first_b = nd + na;
    p.first_c = nd + na + nb;
    I.imm = keep(p);
    I.fn = p.ta == Element::F64 ? exec_double : p.td == Element::S32 ? exec_integer : exec_float;
    I.kind = Kind::Sync;
    I.cls = Class::Tensor;
    I.flops = u32(2 * p.m * p.n * p.k);
}

}  // namespace fovea::cudaemu
