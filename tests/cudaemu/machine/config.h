// The pretended device and how to run it; from the environment variables that README.md lists.
#pragma once

#include "tests/cudaemu/base.h"

namespace fovea::cudaemu {

struct Config {
    int devices = 1;         // all of the same kind
    int cc = 90, sms = 132;  // compute capability, multiprocessors
    // Shared memory in bytes: of a block by right, of a block on request, of a multiprocessor.
    u32 smem_block = 48 * 1024, smem_optin = 227 * 1024, smem_sm = 228 * 1024;

    bool check = false;  // race and barrier checks
    bool fatal = false;  // abort at the first violation
    bool verbose = false;
    u64 seed = 0;                 // 0: no random order
    bool shuffle_blocks = false;  // blocks of plain launches in a seeded permutation

    int threads = 1;     // of the host
    u32 resident = 1;    // blocks interleaved per host thread
    u64 quantum = 4000;  // instructions before another warp is tried
};

const Config& config();

}  // namespace fovea::cudaemu
