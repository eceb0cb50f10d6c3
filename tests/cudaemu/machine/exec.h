// Execution state: warps, blocks, launches.
#pragma once
#include <atomic>
#include <deque>

#include "tests/cudaemu/decode/program.h"
#include "tests/cudaemu/machine/check.h"
#include "tests/cudaemu/machine/memory.h"
#include "tests/cudaemu/machine/stats.h"

namespace emu {

struct Block;
struct Launch;
struct Worker;

struct Frame {
    const Program* prog = nullptr;
    u8* regs = nullptr;
    size_t regs_cap = 0;
    u32 depth = 0;
    u32 live = 0;
    u32 ret_pc[kWarp];
    u32 ret_site[kWarp];
    Frame* parent[kWarp];
    u32 local_base[kWarp];
    std::vector<u8> params;  // [lane][param_bytes]
    ~Frame() { free(regs); }
};

// One cp.async instruction of a warp, not yet visible.
struct AsyncCopy {
    u32 mask;
    u32 bytes;
    u32 group[kWarp];
    u32 dst[kWarp];
    u8 data[kWarp][16];
};

struct Warp {
    Block* block = nullptr;
    u32 id = 0;
    u32 exist = 0, live = 0;
    u32 wait_sync = 0, wait_bar = 0;
    u32 pc[kWarp];
    Frame* fr[kWarp];
    u8 bar_id[kWarp];
    u8 lane_bar_mask = 0;
    std::vector<std::unique_ptr<Frame>> frames;  // frames[0] belongs to the kernel
    std::vector<u8> local;                       // [lane][local_stride]
    std::deque<AsyncCopy> async;
    u32 commit[kWarp];
    u32 yields = 0;  // quanta and yields, to alternate between diverged groups
    u32 polls = 0;   // consecutive failed mbarrier waits
    bool cluster_wait = false;
    u32 cluster_phase = 0;
    u64 insts = 0;
    bool rotate = false;
    u32 cc = 0;  // carry flag per lane

    enum Status { Running, Blocked, Done };
    Status run(Ctx& c, u64 budget);
    bool pick(Ctx& c, u32& mask, Frame*& f, u32& pc, u32& limit);
    Frame* get_frame(const Program* p, u32 depth);
};

struct NamedBarrier {
    u32 arrived_extra = 0;  // from bar.arrive, in threads
    u32 expected = 0;       // 0: all threads
    bool active = false;
    u32 red_and = 1, red_or = 0, red_popc = 0;
};

struct BulkCopy {  // cp.async.bulk waiting for its mbarrier to be polled
    u32 mbar = 0;
    bool to_shared = true;
    u32 smem = 0;
    u64 gmem = 0;
    std::vector<u8> data;
    std::vector<std::pair<u32, u32>> pieces;  // tensor copies: (smem offset, bytes) runs
};

struct Block {
    const Launch* launch = nullptr;
    Worker* worker = nullptr;
    u32 ctaid[3];
    u32 linear = 0;
    u32 nthreads = 0, nwarps = 0;
    std::vector<std::unique_ptr<Warp>> warps;
    u8* smem = nullptr;
    u32 smem_size = 0;  // including the reserved first KiB
    size_t smem_cap = 0;
    NamedBarrier bars[16];
    u32 live_warps = 0;
    u32 cursor = 0;
    std::vector<BulkCopy> bulk;
    RaceShadow race;
    // cluster
    u32 cluster_rank = 0, cluster_size = 1;
    u32 cluster_ctaid[3] = {0, 0, 0};
    std::vector<Block*>* cluster = nullptr;
    u32 cluster_arrived = 0, cluster_gen = 0;

    void start(const Launch* l, Worker* w, u32 index);
    enum Status { Progress, Stuck, Done };
    Status run(Ctx& c);
    void barrier_arrive(Ctx& c, Warp& w, u32 lanes, u32 id, u32 count, bool wait);
    bool barrier_complete(u32 id);
    void barrier_release(Ctx& c, u32 id);
    void threads_exited(Ctx& c);
    [[noreturn]] void deadlock(Ctx& c);
    ~Block() { free(smem); }
};

struct Launch {
    KernelImage* image = nullptr;
    u32 grid[3] = {1, 1, 1}, block[3] = {1, 1, 1}, cluster[3] = {1, 1, 1};
    u32 dyn_smem = 0;
    bool cooperative = false;
    u64 grid_id = 0;
    std::vector<u8> params;
    std::vector<u8> extra;  // cooperative grid workspace
    // progress
    std::atomic<u64> next{0};
    std::atomic<bool> failed{false};
    std::mutex mu;
    std::string message;
    int error = 0;
    KernelStats* stats = nullptr;
    u32 workers = 1;
    u64 nblocks() const { return u64(grid[0]) * grid[1] * grid[2]; }
};

// Per host thread.
struct Worker {
    u32 id = 0;
    std::vector<std::unique_ptr<Block>> blocks;
    Rng rng{1};
    WorkerStats st;
    AllocCache cache;
};

struct Ctx {
    u8* base[2] = {nullptr, nullptr};
    u32 mask = 0;
    bool check = false;
    bool stats = false;
    u32 pc = 0;
    Warp* warp = nullptr;
    Block* block = nullptr;
    Frame* frame = nullptr;
    const Program* prog = nullptr;
    const Launch* launch = nullptr;
    Worker* worker = nullptr;
    const Inst* inst = nullptr;
};

template <class T>
inline T* slot(Ctx& c, u32 off) {
    return reinterpret_cast<T*>(c.base[off >> 31] + (off & 0x7fffffffu));
}
inline u32& pred(Ctx& c, u32 off) { return *slot<u32>(c, off); }
inline void set_pred(Ctx& c, u32 off, u32 bits) {
    if (off == kNoSlot) return;
    u32& p = pred(c, off);
    p = (p & ~c.mask) | (bits & c.mask);
}

// Values of type T live in 32-bit lanes (64-bit for 8-byte types).
template <class T>
using lane_t = std::conditional_t<(sizeof(T) > 4), u64, u32>;
template <class T>
inline T get(lane_t<T> s) {
    if constexpr (std::is_integral_v<T>)
        return T(s);
    else if constexpr (sizeof(T) == sizeof(s))
        return std::bit_cast<T>(s);
    else
        return T{u16(s)};
}
template <class T>
inline lane_t<T> put(T t) {
    if constexpr (std::is_integral_v<T> && sizeof(T) < 4)
        return u32(std::make_unsigned_t<T>(t));
    else if constexpr (std::is_integral_v<T>)
        return lane_t<T>(t);
    else if constexpr (sizeof(T) == sizeof(lane_t<T>))
        return std::bit_cast<lane_t<T>>(t);
    else
        return t.v;
}

template <class S>
inline void store_masked(S* __restrict d, const S* __restrict t, u32 mask) {
    if (mask == kFull) {
        for (int i = 0; i < kWarp; i++) d[i] = t[i];
    } else {
        for (int i = 0; i < kWarp; i++) d[i] = (mask >> i & 1) ? t[i] : d[i];
    }
}

struct Violation : std::runtime_error {
    int error;
    Violation(int e, const std::string& m) : std::runtime_error(m), error(e) {}
};
// Throws a Violation describing instruction, block and thread.
[[noreturn]] void violation(Ctx& c, int lane, int error, const std::string& what);
std::string where(Ctx& c, const Inst* I, int lane);

void run_launch(Launch& l);
u64 dynamic_sreg(Ctx& c, SR id);
void init_warp_sregs(Warp& w, Frame& f);

struct Config {
    int cc = 90, sms = 132;
    bool check = false, fatal = false, poison = true;
    int threads = 1;
    u64 seed = 0;
    bool shuffle_blocks = false;  // run the blocks of a plain launch in a seeded permutation
    u32 smem_optin = 227 * 1024, smem_sm = 228 * 1024, smem_block = 48 * 1024;
    u32 resident = 1;
    u64 quantum = 4000;
    bool verbose = false;
};
const Config& config();

constexpr int kErrIllegalAddress = 700, kErrLaunchFailure = 719, kErrMisaligned = 716,
              kErrIllegalInstruction = 715, kErrAssert = 710, kErrLaunchTimeout = 702,
              kErrInvalidAddressSpace = 717;

}  // namespace emu
