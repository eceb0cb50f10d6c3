// Fragments: how the registers of a warp hold the matrices of tensor instructions.
#pragma once

#include "tests/cudaemu/base.h"
#include "tests/cudaemu/isa/fp.h"
#include "tests/cudaemu/ptx/tree.h"

namespace fovea::cudaemu {

enum class Element : u8 { F16, BF16, TF32, F64, S8, U8, S4, U4, E4M3, E5M2, F32, S32, Unknown };
Element element_of(const std::string& type);
int bits_of(Element e);
/// In a 32-bit register; of f64, in a 64-bit one.
inline int elements_per_register(Element e) { return std::max(1, 32 / bits_of(e)); }

/// Element i of lane l is at row r[l][i], column c[l][i] of its matrix.
struct Fragment {
    int rows = 0, cols = 0;
    int n = 0;  // elements of a lane
    u8 r[kWarp][64], c[kWarp][64];
};

struct FragmentsOfMma {
    Fragment a, b, c;
};

/// mma.sync.mMnNkK for operands of `bits` bits, as the PTX ISA documents them; null if there are
/// none.
const FragmentsOfMma* mma_fragments(int m, int n, int k, int bits);

/// wmma: of our choice, as programs cannot look into them. The layout of m16n8k16 for 16 x 16
/// matrices, runs along the rows for others. Fragments with more elements than the matrix hold
/// copies.
const Fragment* wmma_fragment(int rows, int cols, int elements);

/// Element `sub` of a register.
inline float float_element(Element e, u32 word, int sub) {
    switch (e) {
        case Element::F16: return f16_to_f32(u16(word >> (16 * sub)));
        case Element::BF16: return bf16_to_f32(u16(word >> (16 * sub)));
        case Element::TF32: return tf32_operand(word);
        case Element::E4M3: return e4m3_to_f32(u8(word >> (8 * sub)));
        case Element::E5M2: return e5m2_to_f32(u8(word >> (8 * sub)));
        default: return bitsf(word);
    }
}
inline i32 integer_element(Element e, u32 word, int sub) {
    switch (e) {
        case Element::S8: return i8(word >> (8 * sub));
        case Element::U8: return u8(word >> (8 * sub));
        case Element::S4: return i32(word << (28 - 4 * sub)) >> 28;
        case Element::U4: return i32(word >> (4 * sub) & 15);
        default: return i32(word);
    }
}

}  // namespace fovea::cudaemu
