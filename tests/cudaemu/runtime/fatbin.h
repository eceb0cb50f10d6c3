// Extraction of PTX text from the fat binaries nvcc embeds.
#pragma once
#include "tests/cudaemu/base.h"

namespace emu {
struct PtxEntry {
    int arch = 0;  // 80, 90 ...
    std::string text;
};
// All PTX images of the fat binary behind a __fatBinC_Wrapper_t.
std::vector<PtxEntry> fatbin_ptx(const void* wrapper);
}  // namespace emu
