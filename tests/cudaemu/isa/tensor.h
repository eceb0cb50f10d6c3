// D = A B + C of tensor instructions, shared by mma and wmma.
#pragma once

#include "tests/cudaemu/decode/decoder.h"
#include "tests/cudaemu/isa/fragment.h"

namespace fovea::cudaemu {

struct TensorProduct {
    int m = 0, n = 0, k = 0;
    Element ta = Element::Unknown, tb = ta, tc = ta, td = ta;
    const Fragment *a = nullptr, *b = nullptr, *c = nullptr;
    u32 first_a = 0, first_b = 0, first_c = 0;  // registers, behind those of D
    bool saturate = false;
};

/// "m16n8k16"
bool parse_shape(const std::string& s, TensorProduct& p);

/// Types among the parts of an opcode, in order.
std::vector<std::string> element_types(const ptx::Instr& in);

/// Adds the registers of a vector operand to the list of the instruction; their count.
u32 push_registers(Decoder& d, const ptx::Operand& o, bool destination, int width);

/// The instruction "op d, a, b, c".
void decode_tensor_product(Decoder& d, const ptx::Instr& in, Instruction& I, TensorProduct p);

}  // namespace fovea::cudaemu
