#include "tests/cudaemu/machine/config.h"

#include <thread>

namespace fovea::cudaemu {

static Config from_environment() {
    Config c;
    c.devices = int(env_int("CUDAEMU_DEVICES", 1));
    c.cc = int(env_int("CUDAEMU_CC", 90));
    c.sms = int(env_int("CUDAEMU_SMS", c.cc >= 90 ? 132 : c.cc >= 80 ? 108 : 40));
    if (c.cc < 80)
        c.smem_optin = 64 * 1024, c.smem_sm = 64 * 1024;
    else if (c.cc == 80)
        c.smem_optin = 163 * 1024, c.smem_sm = 164 * 1024;
    else if (c.cc < 90)
        c.smem_optin = 99 * 1024, c.smem_sm = 100 * 1024;
    c.check = env_int("CUDAEMU_CHECK", 0) != 0;
    c.fatal = env_int("CUDAEMU_CHECK_FATAL", 0) != 0;
    c.verbose = env_int("CUDAEMU_VERBOSE", 0) != 0;
    c.seed = u64(env_int("CUDAEMU_SEED", 0));
    c.shuffle_blocks = env_int("CUDAEMU_SHUFFLE_BLOCKS", 0) != 0;
    c.threads = int(env_int("CUDAEMU_THREADS", long(std::thread::hardware_concurrency())));
    c.threads = std::max(1, c.threads);
    c.resident = u32(std::max(1l, env_int("CUDAEMU_RESIDENT", 1)));
    c.quantum = u64(env_int("CUDAEMU_QUANTUM", 4000));
    return c;
}

const Config& config() {
    static const Config c = from_environment();
    return c;
}

}  // namespace fovea::cudaemu
