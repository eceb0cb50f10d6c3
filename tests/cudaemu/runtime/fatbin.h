// The PTX that nvcc embeds in a program.
#pragma once

#include <string>
#include <vector>

namespace fovea::cudaemu {

struct PtxEntry {
    int arch = 0;  // 80, 90, ...
    std::string text;
};

/// All PTX of the fat binary behind a __fatBinC_Wrapper_t.
std::vector<PtxEntry> fatbin_ptx(const void* wrapper);

}  // namespace fovea::cudaemu
