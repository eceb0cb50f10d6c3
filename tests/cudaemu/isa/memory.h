// What the memory instructions have in common.
#pragma once

#include "tests/cudaemu/ptx/tree.h"

namespace fovea::cudaemu {

/// False if the name is no state space.
bool parse_space(const std::string& name, ptx::Space& s);

/// Modifiers of ld, st, atom, red.
struct MemoryForm {
    ptx::Space space = ptx::Space::Generic;
    ptx::Type type = ptx::Type::None;
    int elements = 1;   // of a vector
    bool sync = false;  // volatile, relaxed, acquire, release
};
MemoryForm parse_memory(const ptx::Instr& in);

}  // namespace fovea::cudaemu
