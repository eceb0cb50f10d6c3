// mma.sync.
#include "tests/cudaemu/isa/tensor.h"
#include "tests/cudaemu/machine/lanes.h"

namespace fovea::cudaemu {

namespace {

// The shapes that matter to speed: m16n8k16 and m16n8k8 with f16, bf16 or tf32 into f32. Over the
// 32 lanes, a register of A is a row-major tile of 8 x 8 (tf32: 8 x 4) elements; a register of B is
// the same of the transpose. Sums as in exec_float (tensor.cpp).
template <Element type, int K>
void exec_16x8(Context& c, const Instruction& I) {
    constexpr int W = type == Element::TF32 ? 4 : 8, kRegistersA = 2 * K / W, kRegistersB = K / W;
    const u32* d_registers = c.prog->ext.data() + I.ext;
    const u32* a_registers = d_registers + 4;
    const u32* b_registers = a_registers + kRegistersA;
    const u32* c_registers = b_registers + kRegistersB;
    alignas(32) float A[16 * K], B[K * 8], C[16 * 8], tile[8 * W];

    auto load_tile = [&](u32 reg) {
        const u32* s = slot<u32>(c, reg);
        if constexpr (type == Element::TF32) {
            for (int i = 0; i < 32; i++) tile[i] = tf32_operand(s[i]);
        } else if constexpr (type == Element::BF16) {
            for (int i = 0; i < 32; i++) {
                tile[2 * i] = bitsf(s[i] << 16);
                tile[2 * i + 1] = bitsf(s[i] & 0xffff0000u);
            }
        } else {
            for (int i = 0; i < 8; i++) {
                const __m128i eight = _mm_loadu_si128(reinterpret_cast<const __m128i*>(s + 4 * i));
                _mm256_store_ps(tile + 8 * i, _mm256_cvtph_ps(eight));
            }
        }
    };
    for (int r = 0; r < kRegistersA; r++) {
        load_tile(a_registers[r]);
        float* a = A + r % 2 * 8 * K + r / 2 * W;
        for (int g = 0; g < 8; g++)
            for (int j = 0; j < W; j++) a[g * K + j] = tile[g * W + j];
    }
    for (int r = 0; r < kRegistersB; r++) {
        load_tile(b_registers[r]);
        for (int k = 0; k < W; k++)
            for (int g = 0; g < 8; g++) B[(r * W + k) * 8 + g] = tile[g * W + k];
    }
    for (int e = 0; e < 4; e++) {  // two neighbours in the upper half, two in the lower
        const float* s = slot<float>(c, c_registers[e]);
        for (int l = 0; l < 32; l++) C[e / 2 * 64 + 2 * l + e % 2] = s[l];
    }

    for (int m = 0; m < 16; m += 4) {
        __m256 sums[4];
        for (int r = 0; r < 4; r++) sums[r] = _mm256_load_ps(C + (m + r) * 8);
        for (int k = 0; k < K; k++) {
            const __m256 b = _mm256_load_ps(B + k * 8);
            for (int r = 0; r < 4; r++)
                sums[r] = _mm256_fmadd_ps(_mm256_set1_ps(A[(m + r) * K + k]), b, sums[r]);
        }
        for (int r = 0; r < 4; r++) _mm256_store_ps(C + (m + r) * 8, sums[r]);
    }
    for (int e = 0; e < 4; e++) {
        float* d = slot<float>(c, d_registers[e]);
        for (int l = 0; l < 32; l++) d[l] = C[e / 2 * 64 + 2 * l + e % 2];
    }
}

ExecFn fast_function(const TensorProduct& p) {
    if (p.m != 16 || p.tc != Element::F32 || p.td != Element::F32 || p.ta != p.tb) return nullptr;
    switch (p.ta) {
        case Element::F16:
            return p.k == 16 ? exec_16x8<Element::F16, 16> : exec_16x8<Element::F16, 8>;
        case Element::BF16:
            return p.k == 16 ? exec_16x8<Element::BF16, 16> : exec_16x8<Element::BF16, 8>;
        case Element::TF32: return p.k == 8 ? exec_16x8<Element::TF32, 8> : nullptr;
        default: return nullptr;
    }
}

}  // namespace

bool decode_mma(Decoder& d, const ptx::Instr& in, Instruction& I) {
    if (in.parts[0] != "mma" || !in.has("row") || !in.has("col")) return false;
    TensorProduct p;
    bool shape = false;
    for (const std::string& part : in.parts) {
        shape |= parse_shape(part, p);
        if (part.substr(0, 2) == "sp" || part == "block_scale" || part == "b1") return false;
    }
    const std::vector<std::string> types = element_types(in);
    if (!shape || types.size() != 4) return false;
    p.td = element_of(types[0]);
    p.ta = element_of(types[1]);
    p.tb = element_of(types[2]);
    p.tc = element_of(types[3]);
    p.saturate = in.has("satfinite");
    const FragmentsOfMma* f = mma_fragments(p.m, p.n, p.k, bits_of(p.ta));
    if (!f || (p.m == 8 && bits_of(p.ta) == 16))
        return false;  // m8n8k4.f16 has a layout of its own
    p.a = &f->a;
    p.b = &f->b;
    p.c = &f->c;
    decode_tensor_product(d, in, I, p);
    if (const ExecFn fast = fast_function(p)) I.fn = fast;
    return true;
}

}  // namespace fovea::cudaemu
